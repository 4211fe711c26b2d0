//! The statements of a list of organisations.

use super::{Engine, Statement, statement::sql};
use crate::organizations::{Cursor, Filter, Listing, SortKey, SortValue};

/// How many organisations the filter lets through.
pub(super) fn count<E: Engine>(filter: &Filter) -> Statement {
    let mut count = sql("SELECT count(*) AS total FROM organizations WHERE 1 = 1");
    push_filter::<E>(&mut count, filter);
    count
}

/// A page of organisations, and one more to tell whether others follow.
pub(super) fn page<E: Engine>(listing: &Listing) -> Statement {
    let mut page = sql("SELECT organization_id, name, version, provider, create_time, update_time
                        FROM organizations WHERE 1 = 1");
    push_filter::<E>(&mut page, &listing.filter);
    let (ahead, direction) = if listing.order.descending { (" < ", " DESC") } else { (" > ", "") };
    if let Some(Cursor { value, organization_id }) = &listing.after {
        match value {
            SortValue::Id => page.push(" AND organization_id").push(ahead).push_bind(organization_id),
            SortValue::Name(name) => {
                page.push(" AND (name, organization_id)").push(ahead).push_list([name, organization_id])
            }
            SortValue::CreatedAt(at) => page
                .push(" AND (create_time, organization_id)")
                .push(ahead)
                .push("(")
                .push_bind(*at)
                .push(", ")
                .push_bind(organization_id)
                .push(")"),
        };
    }
    page.push(" ORDER BY ");
    match listing.order.key {
        SortKey::Id => {}
        SortKey::Name => drop(page.push("name").push(direction).push(", ")),
        SortKey::CreatedAt => drop(page.push("create_time").push(direction).push(", ")),
    }
    page.push("organization_id").push(direction).push(" LIMIT ").push_bind(i64::from(listing.limit) + 1);
    page
}

fn push_filter<E: Engine>(statement: &mut Statement, filter: &Filter) {
    if !filter.query.is_empty() {
        statement.push(" AND ").push(E::POSITION).push("(search, ").push_bind(&filter.query).push(") > 0");
    }
    if !filter.provider.is_empty() {
        statement.push(" AND provider = ").push_bind(&filter.provider);
    }
    if filter.unmapped {
        statement.push(" AND provider = ''");
    }
    match &filter.within {
        Some(within) if within.is_empty() => drop(statement.push(" AND 1 = 0")),
        Some(within) => drop(statement.push(" AND organization_id IN ").push_list(within)),
        None => {}
    }
}
