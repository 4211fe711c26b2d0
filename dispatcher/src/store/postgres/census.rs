//! How much is open and set aside: by the list of open messages, never by the history.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::store::{Census, StoreError, census::MOST_COUNTED};

pub(super) const OPEN: &str = "SELECT m.status, count(*), count(*) FILTER (WHERE m.due_at <= $1), min(m.created_at) \
    FROM (SELECT message_id, created_at FROM open_messages ORDER BY listed_at LIMIT $2) AS o \
    JOIN messages m ON m.id = o.message_id AND m.created_at = o.created_at GROUP BY m.status";

pub(super) async fn census(pool: &PgPool, now: DateTime<Utc>) -> Result<Census, StoreError> {
    let mut census = Census::default();
    let rows: Vec<(String, i64, i64, DateTime<Utc>)> =
        sqlx::query_as(OPEN).bind(now).bind(MOST_COUNTED).fetch_all(pool).await?;
    for (status, count, overdue, oldest) in rows {
        census.add(&status, count, overdue, oldest, now)?;
    }
    let (parked, quarantined): (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM parked_updates), (SELECT count(*) FROM quarantined_events)")
            .fetch_one(pool)
            .await?;
    census.parked = parked.unsigned_abs();
    census.quarantined = quarantined.unsigned_abs();
    Ok(census)
}
