//! The queries of a list of organisations, the same on both engines but for the name of one function.

use sqlx::{Database, Encode, QueryBuilder, Type};

use crate::organizations::{Cursor, Filter, Listing, SortKey, SortValue};

/// How an engine differs.
pub(super) trait Dialect: Database {
    /// Position of a text in another, 0 when it is not there.
    const POSITION: &'static str;
    /// Binds an instant.
    fn push_instant(query: &mut QueryBuilder<Self>, instant: chrono::DateTime<chrono::Utc>);
}

/// How many organisations the filter lets through.
pub(super) fn count<DB: Dialect>(filter: &Filter) -> QueryBuilder<DB>
where
    for<'e> String: Encode<'e, DB> + Type<DB>,
{
    let mut query = QueryBuilder::new("SELECT count(*) FROM organizations");
    push_filter(&mut query, filter);
    query
}

/// A page of organisations, and one more to tell whether others follow.
pub(super) fn page<DB: Dialect>(listing: &Listing) -> QueryBuilder<DB>
where
    for<'e> String: Encode<'e, DB> + Type<DB>,
    for<'e> i64: Encode<'e, DB> + Type<DB>,
{
    let mut query = QueryBuilder::new(
        "SELECT organization_id, name, version, provider, create_time, update_time FROM organizations",
    );
    let filtered = push_filter(&mut query, &listing.filter);
    let (ahead, direction) = if listing.order.descending { ("<", " DESC") } else { (">", "") };
    if let Some(cursor) = &listing.after {
        query.push(if filtered { " AND " } else { " WHERE " });
        push_after(&mut query, cursor, ahead);
    }
    query.push(" ORDER BY ");
    match listing.order.key {
        SortKey::Id => {}
        SortKey::Name => drop(query.push("name").push(direction).push(", ")),
        SortKey::CreatedAt => drop(query.push("create_time").push(direction).push(", ")),
    }
    query.push("organization_id").push(direction).push(" LIMIT ").push_bind(i64::from(listing.limit) + 1);
    query
}

fn push_after<DB: Dialect>(query: &mut QueryBuilder<DB>, cursor: &Cursor, ahead: &str)
where
    for<'e> String: Encode<'e, DB> + Type<DB>,
{
    match &cursor.value {
        SortValue::Id => drop(query.push("organization_id ").push(ahead).push(" ")),
        SortValue::Name(name) => {
            query.push("(name, organization_id) ").push(ahead).push(" (").push_bind(name.clone()).push(", ");
        }
        SortValue::CreatedAt(created_at) => {
            query.push("(create_time, organization_id) ").push(ahead).push(" (");
            DB::push_instant(query, *created_at);
            query.push(", ");
        }
    }
    query.push_bind(cursor.organization_id.clone());
    if cursor.value != SortValue::Id {
        query.push(")");
    }
}

/// Says whether there is a condition.
fn push_filter<DB: Dialect>(query: &mut QueryBuilder<DB>, filter: &Filter) -> bool
where
    for<'e> String: Encode<'e, DB> + Type<DB>,
{
    let mut conditions = 0;
    let mut condition = |query: &mut QueryBuilder<DB>| {
        query.push(if conditions == 0 { " WHERE " } else { " AND " });
        conditions += 1;
    };
    if !filter.query.is_empty() {
        condition(query);
        query.push(DB::POSITION).push("(search, ").push_bind(filter.query.clone()).push(") > 0");
    }
    if !filter.provider.is_empty() {
        condition(query);
        query.push("provider = ").push_bind(filter.provider.clone());
    }
    if filter.unmapped {
        condition(query);
        query.push("provider = ''");
    }
    if let Some(within) = &filter.within {
        condition(query);
        if within.is_empty() {
            query.push("1 = 0");
        } else {
            let mut list = query.push("organization_id IN (").separated(", ");
            for organization_id in within {
                list.push_bind(organization_id.clone());
            }
            query.push(")");
        }
    }
    conditions > 0
}
