//! The usual batch in one call of the engine: each call is a trip to the thread that has the file, so the rows are handed
//! over as JSON, all at once.

use serde::{Serialize, Serializer, ser::SerializeTuple as _};
use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};

use super::row::micros;
use crate::store::{NewMessage, Presumed, StoreError, ledger::Update, stored::json as text};

/// Takes the write lock at once; the two numbers tell how much was written. A row that does not fit rolls everything back
/// instead of the statement alone, so that no statement has to keep what the pages were before.
const PRESUME: &str = "BEGIN IMMEDIATE; \
    INSERT OR IGNORE INTO request_ids (organization_id, request_id, fingerprint, message_id, created_at) \
    SELECT value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4 FROM jsonb_each(?); \
    INSERT OR ROLLBACK INTO messages (id, organization_id, type, recipient, sender, body, created_at, provider, \
    provider_account, account_organization_id, config_revision, provider_config_version, request_id, labels, content, \
    events, due_at, status) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
    value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, \
    value ->> 16, 'REQUESTED' FROM jsonb_each(?) AS new \
    WHERE changes() = ? OR value ->> 12 = '' OR EXISTS (SELECT 1 FROM request_ids AS claimed \
    WHERE claimed.organization_id = value ->> 1 AND claimed.request_id = value ->> 12 AND claimed.message_id = value ->> 0); \
    SELECT changes(); \
    UPDATE OR ROLLBACK messages SET status = new.status, provider_message_id = name, events = new.events, \
    failure = new.failure, accepted_at = accepted, result_at = result, due_at = due, checks = 0 \
    FROM (SELECT value ->> 0 AS message, value ->> 1 AS status, value ->> 2 AS name, value ->> 3 AS events, \
    value ->> 4 AS failure, value ->> 5 AS accepted, value ->> 6 AS result, value ->> 7 AS due, value ->> 8 AS due_before, \
    value ->> 9 AS events_before FROM jsonb_each(?)) AS new \
    WHERE id = message AND due_at IS due_before AND octet_length(messages.events) = events_before \
    AND (NOT EXISTS (SELECT 1 FROM parked_updates) \
    OR NOT EXISTS (SELECT 1 FROM parked_updates AS early WHERE early.provider_message_id = name)); \
    SELECT changes(); \
    COMMIT";

/// The ids of those that were not written. The one writer asks, so nothing has moved since.
const REFUSED: &str = "SELECT value ->> 0 FROM jsonb_each(?) WHERE NOT EXISTS (SELECT 1 FROM messages WHERE id = value ->> 0) \
    UNION ALL \
    SELECT value ->> 0 FROM jsonb_each(?) \
    WHERE NOT EXISTS (SELECT 1 FROM messages WHERE id = value ->> 0 AND events = value ->> 3)";

/// Writes it; the ids of what is to go the long way.
pub(super) async fn presume(pool: &SqlitePool, presumed: &Presumed) -> Result<Vec<String>, StoreError> {
    let records = rows(presumed.records.iter().map(Record))?;
    let settled = rows(presumed.settled.iter().map(Settled))?;
    let claims: Vec<_> = presumed.records.iter().filter(|new| !new.message.request_id.is_empty()).map(Claim).collect();
    let mut connection = pool.acquire().await?;
    let written = sqlx::query(PRESUME)
        .bind(rows(claims.iter())?)
        .bind(&records)
        .bind(i64::try_from(claims.len()).unwrap_or(i64::MAX))
        .bind(&settled)
        .fetch_all(&mut *connection)
        .await;
    let counts = match written {
        Ok(rows) => rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?,
        Err(error) => {
            // Fails when nothing was begun, or all is rolled back already.
            let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
            return Err(error.into());
        }
    };
    let expected = [presumed.records.len(), presumed.settled.len()].map(i64::try_from);
    if counts.iter().eq(expected.iter().flatten()) {
        return Ok(Vec::new());
    }
    let refused = sqlx::query(REFUSED).bind(&records).bind(&settled).fetch_all(&mut *connection).await?;
    Ok(refused.iter().map(|row: &SqliteRow| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// Rows as JSON.
fn rows(rows: impl Iterator<Item = impl Serialize>) -> Result<String, StoreError> {
    let rows: Vec<_> = rows.collect();
    serde_json::to_string(&rows).map_err(|error| sqlx::Error::Encode(error.into()).into())
}

/// The request id of a new message as a row. Apart from the message: what is found by its place in a row is found sooner in
/// a short one.
struct Claim<'a>(&'a NewMessage);

impl Serialize for Claim<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let NewMessage { message, fingerprint } = self.0;
        let row = (
            &message.organization_id,
            &message.request_id,
            hex::encode(fingerprint),
            &message.id,
            micros(message.create_time),
        );
        row.serialize(serializer)
    }
}

/// A new message as a row, without names.
struct Record<'a>(&'a NewMessage);

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = &self.0.message;
        let mut row = serializer.serialize_tuple(17)?;
        row.serialize_element(&message.id)?;
        row.serialize_element(&message.organization_id)?;
        row.serialize_element(message.channel.as_str())?;
        row.serialize_element(&message.to)?;
        row.serialize_element(&message.sender)?;
        row.serialize_element(message.content.body())?;
        row.serialize_element(&micros(message.create_time))?;
        row.serialize_element(&message.route.provider)?;
        row.serialize_element(&message.route.provider_account)?;
        row.serialize_element(&message.route.account_organization_id)?;
        row.serialize_element(&message.route.config_revision)?;
        row.serialize_element(&message.route.provider_config_version)?;
        row.serialize_element(&message.request_id)?;
        row.serialize_element(&text(&message.labels))?;
        row.serialize_element(&message.content.details())?;
        row.serialize_element(&text(&message.events))?;
        row.serialize_element(&message.due_time.map(micros))?;
        row.end()
    }
}

/// A settled message as a row.
struct Settled<'a>(&'a Update);

impl Serialize for Settled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Update { message, before } = self.0;
        let receipt = message.state.receipt();
        let known = &message.events[..before.events.min(message.events.len())];
        let row = (
            &message.id,
            message.state.status().as_str(),
            receipt.map_or("", |receipt| receipt.provider_message_id.as_str()),
            text(&message.events),
            message.failure().map(text),
            receipt.map(|receipt| micros(receipt.accept_time)),
            message.state.result_time().map(micros),
            message.due_time.map(micros),
            before.due_time.map(micros),
            text(&known).len(),
        );
        row.serialize(serializer)
    }
}
