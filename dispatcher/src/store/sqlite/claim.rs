//! Claiming what somebody must look after.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Row as _, SqlitePool};

use super::row::{COLUMNS, message as from_row, micros};
use crate::{
    message::Message,
    store::{StoreError, backoff::wait},
};

pub(super) async fn claim_due(
    pool: &SqlitePool,
    now: DateTime<Utc>,
    limit: u32,
    first_wait: Duration,
) -> Result<Vec<Message>, StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let due = sqlx::query("SELECT id, checks FROM messages WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2")
        .bind(micros(now))
        .bind(limit)
        .fetch_all(&mut *transaction)
        .await?;
    let mut claimed = Vec::with_capacity(due.len());
    let update = format!("UPDATE messages SET checks = ?2, due_at = ?3 WHERE id = ?1 RETURNING {COLUMNS}");
    for row in due {
        let id: String = row.try_get("id")?;
        let claim = u32::try_from(row.try_get::<i64, _>("checks")?).unwrap_or(u32::MAX - 1) + 1;
        let row = sqlx::query(AssertSqlSafe(update.clone()))
            .bind(&id)
            .bind(i64::from(claim))
            .bind(micros(now + wait(first_wait, claim, &id)))
            .fetch_optional(&mut *transaction)
            .await?;
        claimed.extend(row.as_ref().map(from_row).transpose()?);
    }
    transaction.commit().await?;
    Ok(claimed)
}
