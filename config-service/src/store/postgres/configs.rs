//! Provider configs.

use async_trait::async_trait;

use super::{PostgresStore, routing::switch_primary, writing::Writing};
use crate::{
    provider_configs::{ProviderConfig, SealedConfig, StoredConfig, confirms},
    store::{
        Change, Committed, ConfigStore, Result, StoreError, documents,
        meta::based_on,
        rows::{self, Columns as _},
    },
};

#[async_trait]
impl ConfigStore for PostgresStore {
    async fn add_config(&self, config: &SealedConfig, mut change: Change) -> Result<Committed<ProviderConfig>> {
        let mut writing = self.write().await?;
        writing.meta.accept(&config.sealed)?;
        touch(&mut writing, &config.organization_id).await?;
        let exists = stored(&mut writing, &config.organization_id, &config.provider).await?;
        if exists.is_some() {
            return Err(StoreError::config_exists(&config.provider));
        }
        let last: i64 = sqlx::query_scalar(
            "SELECT coalesce(max(version), 0) FROM deleted_provider_configs WHERE organization_id = $1 AND provider = $2",
        )
        .bind(&config.organization_id)
        .bind(&config.provider)
        .fetch_one(writing.connection())
        .await?;
        based_on(config.version - 1, last)?;
        sqlx::query(
            "INSERT INTO provider_configs (organization_id, provider, provider_account, fields, version, sealed,
                                           wrapped_key, key_version, create_time, update_time)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
        )
        .bind(&config.organization_id)
        .bind(&config.provider)
        .bind(&config.account)
        .bind(documents::write_fields(&config.fields)?)
        .bind(config.version)
        .bind(&config.sealed.data)
        .bind(&config.sealed.wrapped_key)
        .bind(i64::from(config.sealed.key_version))
        .bind(change.event.at)
        .execute(writing.connection())
        .await?;
        finish(writing, config, &mut change).await?.end(config, change).await
    }

    async fn replace_config(&self, config: &SealedConfig, mut change: Change) -> Result<Committed<ProviderConfig>> {
        let mut writing = self.write().await?;
        writing.meta.accept(&config.sealed)?;
        touch(&mut writing, &config.organization_id).await?;
        let before = stored(&mut writing, &config.organization_id, &config.provider)
            .await?
            .ok_or_else(|| StoreError::config_not_found(&config.provider))?;
        based_on(config.version - 1, before.config.version)?;
        sqlx::query(
            "UPDATE provider_configs
             SET provider_account = $3, fields = $4, version = $5, sealed = $6, wrapped_key = $7, key_version = $8,
                 update_time = $9
             WHERE organization_id = $1 AND provider = $2",
        )
        .bind(&config.organization_id)
        .bind(&config.provider)
        .bind(&config.account)
        .bind(documents::write_fields(&config.fields)?)
        .bind(config.version)
        .bind(&config.sealed.data)
        .bind(&config.sealed.wrapped_key)
        .bind(i64::from(config.sealed.key_version))
        .bind(change.event.at)
        .execute(writing.connection())
        .await?;
        finish(writing, config, &mut change).await?.end(config, change).await
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
        let organization = sqlx::query(
            "SELECT name, provider AS primary_provider, routing, routing_version, routing_update_time
             FROM organizations WHERE organization_id = $1",
        )
        .bind(organization_id)
        .fetch_optional(writing.connection())
        .await?
        .ok_or_else(|| StoreError::organization_not_found(organization_id))?;
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
        sqlx::query("DELETE FROM provider_configs WHERE organization_id = $1 AND provider = $2")
            .bind(organization_id)
            .bind(provider)
            .execute(writing.connection())
            .await?;
        sqlx::query(
            "INSERT INTO deleted_provider_configs (organization_id, provider, version) VALUES ($1, $2, $3)
             ON CONFLICT (organization_id, provider) DO UPDATE SET version = excluded.version",
        )
        .bind(organization_id)
        .bind(provider)
        .bind(expected)
        .execute(writing.connection())
        .await?;
        touch(&mut writing, organization_id).await?;
        writing.changed(organization_id, change, ()).await
    }

    async fn config(&self, organization_id: &str, provider: &str) -> Result<Option<StoredConfig>> {
        let row = sqlx::query(ONE).bind(organization_id).bind(provider).fetch_optional(&self.pool).await?;
        row.as_ref().map(rows::config).transpose()
    }

    async fn configs(&self, organization_id: &str) -> Result<Vec<StoredConfig>> {
        let rows = sqlx::query(
            "SELECT c.organization_id, c.provider, c.provider_account, c.fields, c.version, c.sealed, c.wrapped_key,
                    c.key_version, c.create_time, c.update_time, o.provider AS primary_provider
             FROM provider_configs c JOIN organizations o ON o.organization_id = c.organization_id
             WHERE c.organization_id = $1 ORDER BY c.provider",
        )
        .bind(organization_id)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(rows::config).collect()
    }

    async fn last_config_version(&self, organization_id: &str, provider: &str) -> Result<i64> {
        let version = sqlx::query_scalar(
            "SELECT coalesce(max(version), 0) FROM (
                 SELECT version FROM provider_configs WHERE organization_id = $1 AND provider = $2
                 UNION ALL
                 SELECT version FROM deleted_provider_configs WHERE organization_id = $1 AND provider = $2) versions",
        )
        .bind(organization_id)
        .bind(provider)
        .fetch_one(&self.pool)
        .await?;
        Ok(version)
    }
}

const ONE: &str = "
    SELECT c.organization_id, c.provider, c.provider_account, c.fields, c.version, c.sealed, c.wrapped_key,
           c.key_version, c.create_time, c.update_time, o.provider AS primary_provider
    FROM provider_configs c JOIN organizations o ON o.organization_id = c.organization_id
    WHERE c.organization_id = $1 AND c.provider = $2";

async fn stored(writing: &mut Writing, organization_id: &str, provider: &str) -> Result<Option<StoredConfig>> {
    let row = sqlx::query(ONE).bind(organization_id).bind(provider).fetch_optional(writing.connection()).await?;
    row.as_ref().map(rows::config).transpose()
}

/// Notes that the organisation changes with this revision.
async fn touch(writing: &mut Writing, organization_id: &str) -> Result<()> {
    let revision = writing.revision();
    let touched = sqlx::query("UPDATE organizations SET revision = $2 WHERE organization_id = $1")
        .bind(organization_id)
        .bind(revision)
        .execute(writing.connection())
        .await?;
    if touched.rows_affected() == 0 {
        return Err(StoreError::organization_not_found(organization_id));
    }
    Ok(())
}

/// Switches the routing where the save says so.
async fn finish(mut writing: Writing, config: &SealedConfig, change: &mut Change) -> Result<Writing> {
    if config.activate {
        switch_primary(&mut writing, &config.organization_id, &config.provider, &mut change.event).await?;
    }
    Ok(writing)
}

impl Writing {
    async fn end(mut self, config: &SealedConfig, change: Change) -> Result<Committed<ProviderConfig>> {
        let saved = stored(&mut self, &config.organization_id, &config.provider)
            .await?
            .ok_or_else(|| StoreError::inconsistent("a config that was just saved is not there"))?;
        self.changed(&config.organization_id, change, saved.config).await
    }
}
