//! How much is open and set aside: by the index of what is due, never by the whole history.

use chrono::{DateTime, Utc};
use sqlx::SqlitePool;

use super::row::{instant, micros};
use crate::store::{Census, StoreError, census::MOST_COUNTED};

pub(super) const OPEN: &str = "SELECT status, COUNT(*), SUM(due_at <= ?1), MIN(created_at) \
    FROM (SELECT status, due_at, created_at FROM messages WHERE due_at IS NOT NULL ORDER BY due_at LIMIT ?2) \
    GROUP BY status";

pub(super) async fn census(pool: &SqlitePool, now: DateTime<Utc>) -> Result<Census, StoreError> {
    let mut census = Census::default();
    let rows: Vec<(String, i64, i64, i64)> =
        sqlx::query_as(OPEN).bind(micros(now)).bind(MOST_COUNTED).fetch_all(pool).await?;
    for (status, count, overdue, oldest) in rows {
        census.add(&status, count, overdue, instant(oldest, "")?, now)?;
    }
    let (parked, quarantined): (i64, i64) =
        sqlx::query_as("SELECT (SELECT COUNT(*) FROM parked_updates), (SELECT COUNT(*) FROM quarantined_events)")
            .fetch_one(pool)
            .await?;
    census.parked = parked.unsigned_abs();
    census.quarantined = quarantined.unsigned_abs();
    Ok(census)
}
