//! Pages of an organisation's messages, newest first.

use sqlx::{PgPool, Postgres, QueryBuilder};

use super::row::messages as from_rows;
use crate::{
    message::Message,
    store::{ListQuery, StoreError, stored::columns},
};

/// When a message was made, as the index by day has it.
const TIME: &str = "date_bin('1 microsecond', created_at, '2000-01-01 00:00+00')";

/// The beginning of a time's day, as that index has it.
fn day(time: &str) -> String {
    format!("date_bin('1 day', {time}, '2000-01-01 00:00+00')")
}

/// Reads a page.
pub(super) async fn list(pool: &PgPool, query: &ListQuery) -> Result<Vec<Message>, StoreError> {
    let rows = list_sql(query).build().fetch_all(pool).await?;
    from_rows(&rows)
}

pub(super) fn list_sql(query: &ListQuery) -> QueryBuilder<Postgres> {
    match &query.to {
        Some(to) => of_recipient(query, to),
        None => of_organization(query),
    }
}

fn of_organization(query: &ListQuery) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(concat!("SELECT ", columns!(), " FROM messages"));
    organization(&mut sql, query);
    filters(&mut sql, query);
    page(&mut sql, "created_at", query);
    sql
}

/// Day by day, from the organisation's newest to its oldest: the index has a day before the recipients, so that new
/// messages are entered side by side, however long the history is. A nested loop goes through the days in their order, and
/// no further than the page is long.
fn of_recipient(query: &ListQuery, to: &str) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("SELECT found.* FROM generate_series(");
    for extreme in ["max", "min"] {
        sql.push(format!("(SELECT {} FROM messages", day(&format!("{extreme}(created_at)"))));
        organization(&mut sql, query);
        sql.push("), ");
    }
    sql.push(concat!("interval '-1 day') AS day CROSS JOIN LATERAL (SELECT ", columns!(), " FROM messages"));
    organization(&mut sql, query);
    // Said once more as a span of time, which tells the partition.
    sql.push(format!(
        " AND {} = day AND created_at >= day AND created_at < day + interval '1 day' AND recipient = ",
        day("created_at")
    ));
    sql.push_bind(to.to_owned());
    if let Some((time, _)) = &query.after {
        sql.push(format!(" AND {TIME} <= ")).push_bind(*time);
    }
    filters(&mut sql, query);
    page(&mut sql, TIME, query);
    sql.push(") AS found LIMIT ").push_bind(i64::from(query.limit));
    sql
}

/// Whose, and of when.
fn organization(sql: &mut QueryBuilder<Postgres>, query: &ListQuery) {
    sql.push(" WHERE organization_id = ").push_bind(query.organization_id.clone());
    // As the index by time has it.
    sql.push(" AND hashtextextended(organization_id, 0) = hashtextextended(");
    sql.push_bind(query.organization_id.clone()).push(", 0)");
    if let Some(from) = query.created_from {
        sql.push(" AND created_at >= ").push_bind(from);
    }
    if let Some(before) = query.created_before {
        sql.push(" AND created_at < ").push_bind(before);
    }
    if let Some((time, _)) = &query.after {
        // The comparison of pairs below does not tell which partitions are out of the question.
        sql.push(" AND created_at <= ").push_bind(*time);
    }
}

fn filters(sql: &mut QueryBuilder<Postgres>, query: &ListQuery) {
    if let Some(provider) = &query.provider {
        sql.push(" AND provider = ").push_bind(provider.clone());
    }
    if let Some(channel) = query.channel {
        sql.push(" AND type = ").push_bind(channel.as_str());
    }
    if !query.statuses.is_empty() {
        let words: Vec<&'static str> = query.statuses.iter().map(|status| status.as_str()).collect();
        sql.push(" AND status = ANY(").push_bind(words).push(")");
    }
    if query.open_only {
        sql.push(" AND status NOT IN ('DELIVERED', 'FAILED')");
    }
    if let Some((time, id)) = &query.after {
        sql.push(" AND (created_at, id) < (").push_bind(*time).push(", ").push_bind(id.clone()).push(")");
    }
}

fn page(sql: &mut QueryBuilder<Postgres>, time: &str, query: &ListQuery) {
    sql.push(format!(" ORDER BY {time} DESC, id DESC LIMIT ")).push_bind(i64::from(query.limit));
}
