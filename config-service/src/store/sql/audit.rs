//! The audit trail.

use async_trait::async_trait;

use super::{
    Engine, SqlStore, Statement, one,
    rows::{self, Columns as _},
    statement::sql,
};
use crate::{
    audit::{Draft, Event, EventFilter, Head},
    store::{AuditStore, Result},
};

#[async_trait]
impl<E: Engine> AuditStore for SqlStore<E> {
    async fn record(&self, drafts: Vec<Draft>) -> Result<()> {
        let mut writing = self.write().await?;
        for draft in drafts {
            writing.append(draft, 0).await?;
        }
        writing.commit().await
    }

    async fn events(&self, filter: &EventFilter, before: Option<i64>, limit: u32) -> Result<Vec<Event>> {
        let rows = self.engine.rows(page(filter, before, limit)).await?;
        rows.iter().map(rows::event).collect()
    }

    async fn events_after(&self, sequence: i64, limit: u32) -> Result<Vec<Event>> {
        let mut events = sql(EVENTS);
        events.push("sequence > ").push_bind(sequence).push(" ORDER BY sequence LIMIT ").push_bind(limit);
        self.engine.rows(events).await?.iter().map(rows::event).collect()
    }

    async fn audit_head(&self) -> Result<Head> {
        let row = one(self.engine.rows(sql("SELECT audit_count, audit_hash FROM meta")).await?)?;
        Ok(Head { count: row.number("audit_count")?, hash: rows::hash(row.bytes("audit_hash")?)? })
    }
}

const EVENTS: &str = "
    SELECT sequence, event_time, actor, roles, action, organization_id, provider, outcome, changes, forced, request_id,
           peer, revision, hash
    FROM audit_events WHERE ";

/// The newest events first, of sequences below `before`.
fn page(filter: &EventFilter, before: Option<i64>, limit: u32) -> Statement {
    let mut page = sql(EVENTS);
    page.push("sequence < ").push_bind(before.unwrap_or(i64::MAX));
    let texts = [
        (" AND organization_id = ", &filter.organization_id),
        (" AND actor = ", &filter.actor),
        (" AND action = ", &filter.action),
    ];
    for (condition, value) in texts.into_iter().filter(|(_, value)| !value.is_empty()) {
        page.push(condition).push_bind(value);
    }
    if let Some(from) = filter.from {
        page.push(" AND event_time >= ").push_bind(from);
    }
    if let Some(until) = filter.until {
        page.push(" AND event_time < ").push_bind(until);
    }
    match &filter.within {
        Some(within) if within.is_empty() => drop(page.push(" AND 1 = 0")),
        Some(within) => drop(page.push(" AND organization_id IN ").push_list(within)),
        None => {}
    }
    page.push(" ORDER BY sequence DESC LIMIT ").push_bind(limit);
    page
}
