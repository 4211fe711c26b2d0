//! The audit trail.

use async_trait::async_trait;
use sqlx::{Postgres, QueryBuilder};

use super::PostgresStore;
use crate::{
    audit::{Draft, Event, EventFilter, Head},
    store::{
        AuditStore, Result, audit_sql,
        rows::{self, Columns as _},
    },
};

#[async_trait]
impl AuditStore for PostgresStore {
    async fn record(&self, drafts: Vec<Draft>) -> Result<()> {
        let mut writing = self.write().await?;
        for draft in drafts {
            writing.append(draft, 0).await?;
        }
        writing.commit().await
    }

    async fn events(&self, filter: &EventFilter, before: Option<i64>, limit: u32) -> Result<Vec<Event>> {
        let mut query: QueryBuilder<Postgres> = audit_sql::page(filter, before, limit);
        let rows = query.build().fetch_all(&self.pool).await?;
        rows.iter().map(rows::event).collect()
    }

    async fn events_after(&self, sequence: i64, limit: u32) -> Result<Vec<Event>> {
        let rows = sqlx::query(
            "SELECT sequence, event_time, actor, roles, action, organization_id, provider, outcome, changes, forced,
                    request_id, peer, revision, hash
             FROM audit_events WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        )
        .bind(sequence)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(rows::event).collect()
    }

    async fn audit_head(&self) -> Result<Head> {
        let row = sqlx::query("SELECT audit_count, audit_hash FROM meta").fetch_one(&self.pool).await?;
        Ok(Head { count: row.number("audit_count")?, hash: rows::hash(row.bytes("audit_hash")?)? })
    }
}
