//! Claiming what somebody must look after.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Row as _};

use super::{
    connect::{BY_KEY, IN_ORDER},
    row::message as from_row,
};
use crate::{
    message::Message,
    store::{StoreError, backoff::wait, stored::columns},
};

/// Rows that another replica is at are left to it. A row that has moved since it was found no longer fits.
///
/// Each message is looked for by its place in the list, one after the other until there are enough: a part that locks rows
/// stays as it is, or the server might walk along all messages and ask the list about each.
pub(super) const DUE: &str = "SELECT o.listed_at, o.message_id, o.created_at, m.checks \
    FROM (SELECT * FROM open_messages WHERE listed_at <= $1 ORDER BY listed_at) AS o \
    CROSS JOIN LATERAL (SELECT checks FROM messages WHERE id = o.message_id AND created_at = o.created_at \
    AND listed_at = o.listed_at AND due_at <= $1 FOR NO KEY UPDATE SKIP LOCKED) AS m ORDER BY o.listed_at LIMIT $2";

pub(super) const PUT_OFF: &str = concat!(
    "WITH u AS (SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::timestamptz[], $5::timestamptz[]) \
     AS u (message, created, claims, listed_before, due)), \
     moved AS (UPDATE open_messages SET listed_at = due FROM u WHERE listed_at = listed_before AND message_id = message) \
     UPDATE messages SET checks = claims, due_at = due, listed_at = due FROM u WHERE id = message AND created_at = created RETURNING ",
    columns!()
);

pub(super) async fn claim_due(
    pool: &PgPool,
    now: DateTime<Utc>,
    limit: u32,
    first_wait: Duration,
) -> Result<Vec<Message>, StoreError> {
    let mut transaction = pool.begin_with(IN_ORDER).await?;
    let rows = sqlx::query(DUE).persistent(false).bind(now).bind(i64::from(limit)).fetch_all(&mut *transaction).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (mut listed, mut ids, mut created, mut claims, mut due) = (vec![], vec![], vec![], vec![], vec![]);
    for row in &rows {
        let id: String = row.try_get(1)?;
        let claim = u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u32::MAX - 1) + 1;
        listed.push(row.try_get::<DateTime<Utc>, _>(0)?);
        created.push(row.try_get::<DateTime<Utc>, _>(2)?);
        claims.push(i64::from(claim));
        due.push(now + wait(first_wait, claim, &id));
        ids.push(id);
    }
    sqlx::raw_sql(BY_KEY).execute(&mut *transaction).await?;
    let rows = sqlx::query(PUT_OFF)
        .bind(&ids)
        .bind(created)
        .bind(claims)
        .bind(listed)
        .bind(due)
        .fetch_all(&mut *transaction)
        .await?;
    let mut claimed = rows.iter().map(from_row).collect::<Result<Vec<_>, _>>()?;
    transaction.commit().await?;
    // The longest due first, as they were found.
    claimed.sort_by_cached_key(|message| ids.iter().position(|id| *id == message.id));
    Ok(claimed)
}
