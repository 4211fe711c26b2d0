//! The query of a page of audit events, the same on both engines.

use sqlx::{Encode, QueryBuilder, Type};

use super::listing_sql::Dialect;
use crate::audit::EventFilter;

/// The newest events first, of sequences below `before`.
pub(super) fn page<DB: Dialect>(filter: &EventFilter, before: Option<i64>, limit: u32) -> QueryBuilder<DB>
where
    for<'e> String: Encode<'e, DB> + Type<DB>,
    for<'e> i64: Encode<'e, DB> + Type<DB>,
{
    let mut query = QueryBuilder::new(
        "SELECT sequence, event_time, actor, roles, action, organization_id, provider, outcome, changes, forced,
                request_id, peer, revision, hash
         FROM audit_events WHERE sequence < ",
    );
    query.push_bind(before.unwrap_or(i64::MAX));
    let texts = [
        (" AND organization_id = ", &filter.organization_id),
        (" AND actor = ", &filter.actor),
        (" AND action = ", &filter.action),
    ];
    for (condition, value) in texts.into_iter().filter(|(_, value)| !value.is_empty()) {
        query.push(condition).push_bind(value.clone());
    }
    if let Some(from) = filter.from {
        query.push(" AND event_time >= ");
        DB::push_instant(&mut query, from);
    }
    if let Some(until) = filter.until {
        query.push(" AND event_time < ");
        DB::push_instant(&mut query, until);
    }
    if let Some(within) = &filter.within {
        if within.is_empty() {
            query.push(" AND 1 = 0");
        } else {
            let mut list = query.push(" AND organization_id IN (").separated(", ");
            for organization_id in within {
                list.push_bind(organization_id.clone());
            }
            query.push(")");
        }
    }
    query.push(" ORDER BY sequence DESC LIMIT ").push_bind(i64::from(limit));
    query
}
