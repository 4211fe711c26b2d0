//! Routing.

use async_trait::async_trait;

use super::{
    Engine, SqlStore, Statement, Transaction, documents, meta::based_on, rows, statement::sql, writing::Writing,
};
use crate::{
    audit::Draft,
    routing::Routing,
    store::{Change, Committed, Result, RoutingStore, StoreError},
};

#[async_trait]
impl<E: Engine> RoutingStore for SqlStore<E> {
    async fn routing(&self, organization_id: &str) -> Result<Option<Routing>> {
        let row = self.engine.rows(routing_of(organization_id)).await?.pop();
        row.as_ref().map(rows::routing).transpose()
    }

    async fn route(&self, organization_id: &str, routing: &Routing, change: Change) -> Result<Committed<Routing>> {
        let mut writing = self.write().await?;
        let before = stored(&mut writing, organization_id).await?;
        based_on(routing.version, before.version)?;
        for (_, provider) in routing.named() {
            let config = sql("SELECT 1 FROM provider_configs WHERE organization_id = $1 AND provider = $2");
            if writing.tx.rows(config.bind(organization_id).bind(provider)).await?.is_empty() {
                return Err(StoreError::config_not_found(provider));
            }
        }
        let mut after = routing.clone();
        after.version += 1;
        after.updated_at = Some(change.event.at);
        put(&mut writing, organization_id, &after).await?;
        writing.changed(organization_id, change, after).await
    }
}

/// Makes `provider` the primary and tells the audit event. The config must be there.
pub(super) async fn switch_primary<T: Transaction>(
    writing: &mut Writing<T>,
    organization_id: &str,
    provider: &str,
    event: &mut Draft,
) -> Result<()> {
    let before = stored(writing, organization_id).await?;
    if before.primary == provider {
        return Ok(());
    }
    let mut after = before.with_primary(provider);
    after.version += 1;
    after.updated_at = Some(event.at);
    event.changes.extend(before.differences(&after));
    put(writing, organization_id, &after).await
}

fn routing_of(organization_id: &str) -> Statement {
    sql("SELECT provider AS primary_provider, routing, routing_version, routing_update_time
         FROM organizations WHERE organization_id = $1")
    .bind(organization_id)
}

async fn stored<T: Transaction>(writing: &mut Writing<T>, organization_id: &str) -> Result<Routing> {
    let row = writing.tx.rows(routing_of(organization_id)).await?.pop();
    rows::routing(&row.ok_or_else(|| StoreError::organization_not_found(organization_id))?)
}

async fn put<T: Transaction>(writing: &mut Writing<T>, organization_id: &str, routing: &Routing) -> Result<()> {
    let put = sql("UPDATE organizations
                   SET provider = $2, routing = $3, routing_version = $4, routing_update_time = $5, revision = $6
                   WHERE organization_id = $1");
    let put = put.bind(organization_id).bind(&routing.primary).bind(documents::write_routing(routing)?);
    let put = put.bind(routing.version).bind(routing.updated_at).bind(writing.revision());
    writing.tx.execute(put).await?;
    Ok(())
}
