//! Provider configs.

use async_trait::async_trait;

use super::{
    Engine, SqlStore, Statement, Transaction, documents,
    meta::based_on,
    one,
    routing::switch_primary,
    rows::{self, Columns as _},
    statement::sql,
    writing::Writing,
};
use crate::{
    provider_configs::{ProviderConfig, SealedConfig, StoredConfig, confirms},
    store::{Change, Committed, ConfigStore, Result, StoreError},
};

#[async_trait]
impl<E: Engine> ConfigStore for SqlStore<E> {
    async fn add_config(&self, config: &SealedConfig, change: Change) -> Result<Committed<ProviderConfig>> {
        let mut writing = self.write().await?;
        writing.meta.accept(&config.sealed)?;
        touch(&mut writing, &config.organization_id).await?;
        if stored(&mut writing, &config.organization_id, &config.provider).await?.is_some() {
            return Err(StoreError::config_exists(&config.provider));
        }
        let last = sql("SELECT coalesce(max(version), 0) AS version FROM deleted_provider_configs
                        WHERE organization_id = $1 AND provider = $2");
        let last = writing.tx.rows(last.bind(&config.organization_id).bind(&config.provider)).await?;
        based_on(config.version - 1, one(last)?.number("version")?)?;
        let added = sql("INSERT INTO provider_configs (organization_id, provider, provider_account, fields, version,
                             sealed, wrapped_key, key_version, create_time, update_time)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)");
        save(writing, added, config, change).await
    }

    async fn replace_config(&self, config: &SealedConfig, change: Change) -> Result<Committed<ProviderConfig>> {
        let mut writing = self.write().await?;
        writing.meta.accept(&config.sealed)?;
        touch(&mut writing, &config.organization_id).await?;
        let before = stored(&mut writing, &config.organization_id, &config.provider)
            .await?
            .ok_or_else(|| StoreError::config_not_found(&config.provider))?;
        based_on(config.version - 1, before.config.version)?;
        let replaced = sql("UPDATE provider_configs
                            SET provider_account = $3, fields = $4, version = $5, sealed = $6, wrapped_key = $7,
                                key_version = $8, update_time = $9
                            WHERE organization_id = $1 AND provider = $2");
        save(writing, replaced, config, change).await
    }

    async fn remove_config(
        &self,
        organization_id: &str,
        provider: &str,
        expected: i64,
        confirmed_name: &str,
        change: Change,
    ) -> Result<Committed<()>> {
        let mut writing = self.write().await?;
        let organization =
            sql("SELECT name, provider AS primary_provider, routing, routing_version, routing_update_time
                                FROM organizations WHERE organization_id = $1");
        let organization = writing.tx.rows(organization.bind(organization_id)).await?.pop();
        let organization = organization.ok_or_else(|| StoreError::organization_not_found(organization_id))?;
        let before = stored(&mut writing, organization_id, provider)
            .await?
            .ok_or_else(|| StoreError::config_not_found(provider))?;
        based_on(expected, before.config.version)?;
        if !confirms(confirmed_name, &organization.text("name")?) {
            return Err(StoreError::ConfirmationMismatch);
        }
        let uses = rows::routing(&organization)?.uses_of(provider);
        if !uses.is_empty() {
            return Err(StoreError::ConfigInUse { provider: provider.to_owned(), uses });
        }
        let removed = sql("DELETE FROM provider_configs WHERE organization_id = $1 AND provider = $2");
        writing.tx.execute(removed.bind(organization_id).bind(provider)).await?;
        let left = sql("INSERT INTO deleted_provider_configs (organization_id, provider, version) VALUES ($1, $2, $3)
                        ON CONFLICT (organization_id, provider) DO UPDATE SET version = excluded.version");
        writing.tx.execute(left.bind(organization_id).bind(provider).bind(expected)).await?;
        touch(&mut writing, organization_id).await?;
        writing.changed(organization_id, change, ()).await
    }

    async fn config(&self, organization_id: &str, provider: &str) -> Result<Option<StoredConfig>> {
        let row = self.engine.rows(config_of(organization_id, provider)).await?.pop();
        row.as_ref().map(rows::config).transpose()
    }

    async fn configs(&self, organization_id: &str) -> Result<Vec<StoredConfig>> {
        let mut configs = configs_of(organization_id);
        configs.push(" ORDER BY c.provider");
        self.engine.rows(configs).await?.iter().map(rows::config).collect()
    }

    async fn last_config_version(&self, organization_id: &str, provider: &str) -> Result<i64> {
        let last = sql("SELECT coalesce(max(version), 0) AS version FROM (
                            SELECT version FROM provider_configs WHERE organization_id = $1 AND provider = $2
                            UNION ALL
                            SELECT version FROM deleted_provider_configs
                            WHERE organization_id = $1 AND provider = $2) AS versions");
        one(self.engine.rows(last.bind(organization_id).bind(provider)).await?)?.number("version")
    }
}

fn configs_of(organization_id: &str) -> Statement {
    sql("SELECT c.organization_id, c.provider, c.provider_account, c.fields, c.version, c.sealed, c.wrapped_key,
                c.key_version, c.create_time, c.update_time, o.provider AS primary_provider
         FROM provider_configs c JOIN organizations o ON o.organization_id = c.organization_id
         WHERE c.organization_id = $1")
    .bind(organization_id)
}

fn config_of(organization_id: &str, provider: &str) -> Statement {
    let mut config = configs_of(organization_id);
    config.push(" AND c.provider = ").push_bind(provider);
    config
}

async fn stored<T: Transaction>(
    writing: &mut Writing<T>,
    organization_id: &str,
    provider: &str,
) -> Result<Option<StoredConfig>> {
    let row = writing.tx.rows(config_of(organization_id, provider)).await?.pop();
    row.as_ref().map(rows::config).transpose()
}

/// Notes that the organisation changes with this revision.
async fn touch<T: Transaction>(writing: &mut Writing<T>, organization_id: &str) -> Result<()> {
    let touched = sql("UPDATE organizations SET revision = $2 WHERE organization_id = $1");
    match writing.tx.execute(touched.bind(organization_id).bind(writing.revision())).await? {
        0 => Err(StoreError::organization_not_found(organization_id)),
        _ => Ok(()),
    }
}

/// Ends an addition or a replacement: the row, and the switch of the routing where the save says so.
async fn save<T: Transaction>(
    mut writing: Writing<T>,
    row: Statement,
    config: &SealedConfig,
    mut change: Change,
) -> Result<Committed<ProviderConfig>> {
    let SealedConfig { organization_id, provider, account, fields, version, sealed, activate } = config;
    let row = row.bind(organization_id).bind(provider).bind(account).bind(documents::write_fields(fields)?);
    let row = row.bind(*version).bind(&*sealed.data).bind(&*sealed.wrapped_key).bind(sealed.key_version);
    writing.tx.execute(row.bind(change.event.at)).await?;
    if *activate {
        switch_primary(&mut writing, organization_id, provider, &mut change.event).await?;
    }
    let saved = stored(&mut writing, organization_id, provider)
        .await?
        .ok_or_else(|| StoreError::inconsistent("a config that was just saved is not there"))?;
    writing.changed(organization_id, change, saved.config).await
}
