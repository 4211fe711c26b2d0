//! Forgetting what need not be kept any longer, a small batch at a time. Every replica does it; rows that another is at
//! are left to it.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{connect::IN_ORDER, months, steps::Steps};
use crate::store::{Forgotten, StoreError, Terms};

pub(super) const BLANK: &str = "WITH old AS (SELECT id, created_at FROM messages \
    WHERE (body <> '' OR content <> '') AND created_at < $1 ORDER BY created_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED), \
    blanked AS (UPDATE messages m SET body = '', content = '' FROM old \
    WHERE m.id = old.id AND m.created_at = old.created_at RETURNING m.id), \
    stripped AS (DELETE FROM message_images USING blanked WHERE message_id = blanked.id) \
    SELECT count(*) FROM blanked";

/// The two partitions that are no months.
pub(super) const DROP_FROM_HISTORY: &str = "WITH old AS (SELECT id, created_at FROM message_history \
    WHERE body = '' AND content = '' AND created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED), \
    dropped AS (DELETE FROM message_history m USING old \
    WHERE m.id = old.id AND m.created_at = old.created_at RETURNING 1) \
    SELECT count(*) FROM dropped";
pub(super) const DROP_FROM_DEFAULT: &str = "WITH old AS (SELECT id, created_at FROM messages_default \
    WHERE body = '' AND content = '' AND created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED), \
    dropped AS (DELETE FROM messages_default m USING old \
    WHERE m.id = old.id AND m.created_at = old.created_at RETURNING 1) \
    SELECT count(*) FROM dropped";

pub(super) const DROP_REQUEST_IDS: &str = "WITH old AS (SELECT organization_id, request_id FROM request_ids \
    WHERE created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED), \
    dropped AS (DELETE FROM request_ids r USING old \
    WHERE r.organization_id = old.organization_id AND r.request_id = old.request_id RETURNING 1) \
    SELECT count(*) FROM dropped";

pub(super) const DROP_PARKED: &str = "WITH old AS (SELECT event_key FROM parked_updates \
    WHERE parked_at < $1 ORDER BY parked_at LIMIT $2 FOR UPDATE SKIP LOCKED), \
    dropped AS (DELETE FROM parked_updates p USING old WHERE p.event_key = old.event_key RETURNING 1) \
    SELECT count(*) FROM dropped";

pub(super) const DROP_QUARANTINED: &str = "WITH old AS (SELECT id FROM quarantined_events \
    WHERE first_at < $1 ORDER BY first_at, id LIMIT $2 FOR UPDATE SKIP LOCKED), \
    dropped AS (DELETE FROM quarantined_events q USING old WHERE q.id = old.id RETURNING 1) \
    SELECT count(*) FROM dropped";

/// One small batch of each kind, each in a transaction of its own.
pub(super) async fn tidy(pool: &PgPool, now: DateTime<Utc>, terms: &Terms, batch: u32, steps: &mut Steps) -> Forgotten {
    let mut forgotten = Forgotten::default();
    if terms.months {
        steps.done("make room for months", months::make_room(pool, now).await);
    }
    forgotten.texts = steps.done("blank texts", batch_of(pool, BLANK, terms.texts, batch).await);
    // Before the messages that they name.
    let request_ids = batch_of(pool, DROP_REQUEST_IDS, terms.request_ids, batch).await;
    forgotten.request_ids = steps.done("drop request ids", request_ids);
    if terms.months {
        forgotten.months = steps.done("drop months", months::drop_expired(pool, terms.messages).await);
    }
    let strays = batch_of(pool, DROP_FROM_DEFAULT, terms.messages, batch).await;
    forgotten.messages = steps.done("drop messages without a month", strays);
    forgotten.parked = steps.done("drop parked reports", batch_of(pool, DROP_PARKED, terms.parked, batch).await);
    let quarantined = batch_of(pool, DROP_QUARANTINED, terms.quarantined, batch).await;
    forgotten.quarantined = steps.done("drop quarantined events", quarantined);
    steps.done("drop notes of refused updates", drop_notes(pool, terms.messages).await);
    forgotten.messages += steps.done("drop messages of old", drop_from_history(pool, terms.messages, batch).await);
    forgotten
}

async fn drop_notes(pool: &PgPool, before: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM refused_updates WHERE last_at < $1").bind(before).execute(pool).await?;
    Ok(())
}

async fn drop_from_history(pool: &PgPool, before: DateTime<Utc>, batch: u32) -> Result<u64, StoreError> {
    // In the end it goes as a whole, too.
    match months::exists(pool, "message_history").await? {
        true => batch_of(pool, DROP_FROM_HISTORY, before, batch).await,
        false => Ok(0),
    }
}

async fn batch_of(pool: &PgPool, sql: &'static str, before: DateTime<Utc>, batch: u32) -> Result<u64, StoreError> {
    let mut transaction = pool.begin_with(IN_ORDER).await?;
    let forgetting = sqlx::query_scalar(sql).persistent(false).bind(before).bind(i64::from(batch));
    let rows: i64 = forgetting.fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(u64::try_from(rows).unwrap_or_default())
}
