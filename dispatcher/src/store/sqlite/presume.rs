//! The usual batch in one call of the engine: each call is a trip to the thread that has the file, so the rows are handed
//! over as JSON, all at once.

use serde_json::{Value, json};
use sqlx::{Row as _, SqlitePool};

use super::row::micros;
use crate::store::{NewMessage, Presumed, StoreError, ledger::Update, stored::json as text};

/// Takes the write lock at once; the last statement tells what was left alone.
const PRESUME: &str = "BEGIN IMMEDIATE; \
    INSERT INTO request_ids (organization_id, request_id, fingerprint, message_id, created_at) \
    SELECT value ->> 1, value ->> 12, unhex(value ->> 17), value ->> 0, value ->> 6 FROM json_each(?) \
    WHERE value ->> 12 <> '' ON CONFLICT DO NOTHING; \
    INSERT INTO messages (id, organization_id, type, recipient, sender, body, created_at, provider, provider_account, \
    account_organization_id, config_revision, provider_config_version, request_id, labels, content, events, due_at, status) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
    value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, \
    value ->> 16, 'REQUESTED' FROM json_each(?) AS new \
    WHERE value ->> 12 = '' OR EXISTS (SELECT 1 FROM request_ids AS claimed WHERE claimed.organization_id = value ->> 1 \
    AND claimed.request_id = value ->> 12 AND claimed.message_id = value ->> 0); \
    UPDATE messages SET status = new.status, provider_message_id = name, events = new.events, failure = new.failure, \
    accepted_at = accepted, result_at = result, due_at = due, checks = 0 \
    FROM (SELECT value ->> 0 AS message, value ->> 1 AS status, value ->> 2 AS name, value ->> 3 AS events, \
    value ->> 4 AS failure, value ->> 5 AS accepted, value ->> 6 AS result, value ->> 7 AS due, value ->> 8 AS due_before, \
    value ->> 9 AS events_before FROM json_each(?)) AS new \
    WHERE id = message AND due_at IS due_before AND octet_length(messages.events) = events_before \
    AND NOT EXISTS (SELECT 1 FROM parked_updates AS early WHERE early.provider_message_id = name); \
    SELECT value ->> 0 FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM messages WHERE id = value ->> 0) \
    UNION ALL \
    SELECT value ->> 0 FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM messages WHERE id = value ->> 0 AND events = value ->> 3); \
    COMMIT";

/// Writes it; the ids of what is to go the long way.
pub(super) async fn presume(pool: &SqlitePool, presumed: &Presumed) -> Result<Vec<String>, StoreError> {
    let records = Value::Array(presumed.records.iter().map(record).collect()).to_string();
    let settled = Value::Array(presumed.settled.iter().map(settle).collect()).to_string();
    let mut connection = pool.acquire().await?;
    let written = sqlx::query(PRESUME)
        .bind(&records)
        .bind(&records)
        .bind(&settled)
        .bind(&records)
        .bind(&settled)
        .fetch_all(&mut *connection)
        .await;
    match written {
        Ok(rows) => Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?),
        Err(error) => {
            // Fails when nothing was begun.
            let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
            Err(error.into())
        }
    }
}

fn record(NewMessage { message, fingerprint }: &NewMessage) -> Value {
    json!([
        message.id,
        message.organization_id,
        message.channel.as_str(),
        message.to,
        message.sender,
        message.content.body(),
        micros(message.create_time),
        message.route.provider,
        message.route.provider_account,
        message.route.account_organization_id,
        message.route.config_revision,
        message.route.provider_config_version,
        message.request_id,
        text(&message.labels),
        message.content.details(),
        text(&message.events),
        message.due_time.map(micros),
        hex::encode(fingerprint),
    ])
}

fn settle(Update { message, before }: &Update) -> Value {
    let receipt = message.state.receipt();
    let known = &message.events[..before.events.min(message.events.len())];
    json!([
        message.id,
        message.state.status().as_str(),
        receipt.map_or("", |receipt| receipt.provider_message_id.as_str()),
        text(&message.events),
        message.failure().map(text),
        receipt.map(|receipt| micros(receipt.accept_time)),
        message.state.result_time().map(micros),
        message.due_time.map(micros),
        before.due_time.map(micros),
        text(&known).len(),
    ])
}
