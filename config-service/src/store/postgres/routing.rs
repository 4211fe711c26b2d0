//! Routing.

use async_trait::async_trait;

use super::{PostgresStore, writing::Writing};
use crate::{
    audit::Draft,
    routing::Routing,
    store::{Change, Committed, Result, RoutingStore, StoreError, documents, meta::based_on, rows},
};

const ROUTING: &str = "
    SELECT provider AS primary_provider, routing, routing_version, routing_update_time
    FROM organizations WHERE organization_id = $1";

#[async_trait]
impl RoutingStore for PostgresStore {
    async fn routing(&self, organization_id: &str) -> Result<Option<Routing>> {
        let row = sqlx::query(ROUTING).bind(organization_id).fetch_optional(&self.pool).await?;
        row.as_ref().map(rows::routing).transpose()
    }

    async fn route(&self, organization_id: &str, routing: &Routing, change: Change) -> Result<Committed<Routing>> {
        let mut writing = self.write().await?;
        let before = routing_of(&mut writing, organization_id).await?;
        based_on(routing.version, before.version)?;
        for (_, provider) in routing.named() {
            let found = sqlx::query("SELECT 1 FROM provider_configs WHERE organization_id = $1 AND provider = $2")
                .bind(organization_id)
                .bind(provider)
                .fetch_optional(writing.connection())
                .await?;
            if found.is_none() {
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
pub(super) async fn switch_primary(
    writing: &mut Writing,
    organization_id: &str,
    provider: &str,
    event: &mut Draft,
) -> Result<()> {
    let before = routing_of(writing, organization_id).await?;
    if before.primary == provider {
        return Ok(());
    }
    let mut after = before.with_primary(provider);
    after.version += 1;
    after.updated_at = Some(event.at);
    event.changes.extend(before.differences(&after));
    put(writing, organization_id, &after).await
}

async fn routing_of(writing: &mut Writing, organization_id: &str) -> Result<Routing> {
    let row = sqlx::query(ROUTING).bind(organization_id).fetch_optional(writing.connection()).await?;
    let row = row.ok_or_else(|| StoreError::organization_not_found(organization_id))?;
    rows::routing(&row)
}

async fn put(writing: &mut Writing, organization_id: &str, routing: &Routing) -> Result<()> {
    let revision = writing.revision();
    sqlx::query(
        "UPDATE organizations
         SET provider = $2, routing = $3, routing_version = $4, routing_update_time = $5, revision = $6
         WHERE organization_id = $1",
    )
    .bind(organization_id)
    .bind(&routing.primary)
    .bind(documents::write_routing(routing)?)
    .bind(routing.version)
    .bind(routing.updated_at)
    .bind(revision)
    .execute(writing.connection())
    .await?;
    Ok(())
}
