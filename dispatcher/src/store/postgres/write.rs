//! Storing what the ledger decided: a statement for each kind of change, however many rows.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use switchboard_providers::model::Channel;

use super::{
    listing::Moved,
    load::{Places, stored_key},
};
use crate::{
    message::{Event, Message, Status},
    store::{
        StatusUpdate, StoreError,
        ledger::{Before, Effects, Update, scoped_key},
        stored::json,
    },
};

/// Stores it. `false`: a message is not where it was read, and the transaction must be rolled back. Request ids are stored
/// already: they are claimed before anything is decided.
pub(super) async fn store(
    connection: &mut PgConnection,
    effects: &Effects,
    places: &Places,
) -> Result<bool, StoreError> {
    if !effects.inserts.is_empty() {
        insert(connection, &effects.inserts).await?;
        insert_images(connection, &effects.inserts).await?;
        let moved: Vec<Update> = effects.inserts.iter().filter_map(moved_at_once).collect();
        if !moved.is_empty() {
            let rows: Vec<Moved> = moved.iter().map(|update| Moved::new(update, update.message.due_time)).collect();
            update(connection, &rows).await?;
        }
    }
    if !effects.updates.is_empty() {
        let place = |update: &Update| places.get(&update.message.id).copied().flatten();
        let rows: Vec<Moved> = effects.updates.iter().map(|update| Moved::new(update, place(update))).collect();
        if !update(connection, &rows).await? {
            return Ok(false);
        }
    }
    if !effects.event_keys.is_empty() {
        event_keys(connection, &effects.event_keys).await?;
    }
    if !effects.park.is_empty() {
        park(connection, &effects.park).await?;
    }
    if !effects.unpark.is_empty() {
        sqlx::query("DELETE FROM parked_updates WHERE event_key = ANY($1)")
            .bind(&effects.unpark)
            .execute(connection)
            .await?;
    }
    Ok(true)
}

/// A message that was recorded and moved within one batch carries more than its first state.
fn moved_at_once(message: &Message) -> Option<Update> {
    let moved = message.state.status() != Status::Requested || message.events.len() > 1;
    let before = Before { due_time: message.due_time, events: message.events.len(), ..Before::default() };
    moved.then(|| Update { message: message.clone(), before })
}

/// One array for each column.
pub(super) fn column<'a, M, T>(rows: &'a [M], value: impl Fn(&'a M) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

pub(super) fn provider_message_id(message: &Message) -> &str {
    message.state.receipt().map_or("", |receipt| receipt.provider_message_id.as_str())
}

pub(super) fn accepted_at(message: &Message) -> Option<DateTime<Utc>> {
    message.state.receipt().map(|receipt| receipt.accept_time)
}

/// New messages in their first state.
async fn insert(connection: &mut PgConnection, rows: &[Message]) -> Result<(), StoreError> {
    sqlx::query(
        "WITH inserted AS (INSERT INTO messages (id, organization_id, type, recipient, sender, body, status, created_at, \
         provider, provider_account, account_organization_id, config_revision, provider_config_version, request_id, \
         labels, content, events, due_at, listed_at) \
         SELECT *, due FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], \
         $8::timestamptz[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::text[], $15::text[], \
         $16::text[], $17::text[], $18::timestamptz[]) \
         AS u (c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, due) \
         RETURNING listed_at, id, created_at) \
         INSERT INTO open_messages SELECT * FROM inserted WHERE listed_at IS NOT NULL",
    )
    .bind(column(rows, |m| m.id.as_str()))
    .bind(column(rows, |m| m.organization_id.as_str()))
    .bind(column(rows, |m| m.channel.as_str()))
    .bind(column(rows, |m| m.to.as_str()))
    .bind(column(rows, |m| m.sender.as_str()))
    .bind(column(rows, |m| m.content.body()))
    .bind(column(rows, |m| m.state.status().as_str()))
    .bind(column(rows, |m| m.create_time))
    .bind(column(rows, |m| m.route.provider.as_str()))
    .bind(column(rows, |m| m.route.provider_account.as_str()))
    .bind(column(rows, |m| m.route.account_organization_id.as_str()))
    .bind(column(rows, |m| m.route.config_revision))
    .bind(column(rows, |m| m.route.provider_config_version))
    .bind(column(rows, |m| m.request_id.as_str()))
    .bind(column(rows, |m| json(&m.labels)))
    .bind(column(rows, |m| m.content.details()))
    .bind(column(rows, |m| json(&m.events)))
    .bind(column(rows, |m| m.due_time))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_images(connection: &mut PgConnection, rows: &[Message]) -> Result<(), StoreError> {
    let open = rows.iter().filter(|message| !message.state.is_final());
    let images: Vec<_> = open
        .flat_map(|message| (0_i32..).zip(message.content.images()).map(|(place, image)| (&message.id, place, image)))
        .collect();
    if images.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO message_images (message_id, position, width, height, data) \
         SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bytea[])",
    )
    .bind(column(&images, |(id, ..)| id.as_str()))
    .bind(column(&images, |(_, place, _)| *place))
    .bind(column(&images, |(.., image)| i64::from(image.width())))
    .bind(column(&images, |(.., image)| i64::from(image.height())))
    .bind(column(&images, |(.., image)| &image.data()[..]))
    .execute(connection)
    .await?;
    Ok(())
}

/// The messages first and what hangs on them after, as in every transaction: the outer statement counts what the first
/// part returns before the others run.
pub(super) const UPDATE: &str = "WITH changed AS (UPDATE messages SET status = u.status, provider = u.provider, \
    provider_account = u.account, account_organization_id = u.owner, config_revision = u.revision, \
    provider_config_version = u.version, provider_message_id = u.name, events = u.events, failure = u.failure, \
    fallback_message_id = u.fallback, accepted_at = u.accepted, result_at = u.result, due_at = u.due, \
    listed_at = u.listed, checks = u.checks, sender = u.sender \
    FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], \
    $8::bigint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[], \
    $15::timestamptz[], $16::timestamptz[], $17::bigint[], $19::text[]) \
    AS u (message, created, status, provider, account, owner, revision, version, name, events, failure, \
    fallback, accepted, result, due, listed, checks, sender) \
    WHERE messages.id = message AND created_at = created RETURNING 1), \
    named AS (INSERT INTO provider_message_ids (provider_message_id, provider, message_id, created_at) \
    SELECT name, provider, message, created \
    FROM unnest($9::text[], $4::text[], $1::text[], $2::timestamptz[], $18::text[]) \
    AS u (name, provider, message, created, name_before) WHERE name NOT IN ('', name_before) ON CONFLICT DO NOTHING) \
    SELECT count(*) FROM changed";

/// Changed messages. `false`: one of them is not there.
async fn update(connection: &mut PgConnection, rows: &[Moved<'_>]) -> Result<bool, StoreError> {
    let messages: Vec<&Message> = rows.iter().map(|row| &row.update.message).collect();
    let changed: i64 = sqlx::query_scalar(UPDATE)
        .bind(column(&messages, |m| m.id.as_str()))
        .bind(column(&messages, |m| m.create_time))
        .bind(column(&messages, |m| m.state.status().as_str()))
        .bind(column(&messages, |m| m.route.provider.as_str()))
        .bind(column(&messages, |m| m.route.provider_account.as_str()))
        .bind(column(&messages, |m| m.route.account_organization_id.as_str()))
        .bind(column(&messages, |m| m.route.config_revision))
        .bind(column(&messages, |m| m.route.provider_config_version))
        .bind(column(&messages, |m| provider_message_id(m)))
        .bind(column(&messages, |m| json(&m.events)))
        .bind(column(&messages, |m| m.failure().map(json)))
        .bind(column(&messages, |m| m.fallback_message_id.as_str()))
        .bind(column(&messages, |m| accepted_at(m)))
        .bind(column(&messages, |m| m.state.result_time()))
        .bind(column(&messages, |m| m.due_time))
        .bind(column(rows, |row| row.to))
        .bind(column(&messages, |m| i64::from(m.checks)))
        .bind(column(rows, |row| row.update.before.provider_message_id.as_str()))
        .bind(column(&messages, |m| m.sender.as_str()))
        .fetch_one(&mut *connection)
        .await?;
    if usize::try_from(changed) != Ok(rows.len()) {
        return Ok(false);
    }
    list(connection, rows).await?;
    let done = messages.iter().filter(|message| message.channel == Channel::Mms && message.state.is_final());
    let done: Vec<&str> = done.map(|message| message.id.as_str()).collect();
    if !done.is_empty() {
        sqlx::query("DELETE FROM message_images WHERE message_id = ANY($1)").bind(done).execute(connection).await?;
    }
    Ok(true)
}

/// Out of the list of open messages, or to another place in it.
pub(super) const LIST: &str = "WITH gone AS (DELETE FROM open_messages USING unnest($1::timestamptz[], $2::text[]) \
    AS u (listed, message) WHERE listed_at = listed AND message_id = message) \
    INSERT INTO open_messages SELECT * FROM unnest($3::timestamptz[], $2::text[], $4::timestamptz[]) \
    AS u (listed, message, created) WHERE listed IS NOT NULL";

async fn list(connection: &mut PgConnection, rows: &[Moved<'_>]) -> Result<(), StoreError> {
    let moved: Vec<&Moved> = rows.iter().filter(|row| row.from != row.to).collect();
    if moved.is_empty() {
        return Ok(());
    }
    sqlx::query(LIST)
        .bind(column(&moved, |row| row.from))
        .bind(column(&moved, |row| row.update.message.id.as_str()))
        .bind(column(&moved, |row| row.to))
        .bind(column(&moved, |row| row.update.message.create_time))
        .execute(connection)
        .await?;
    Ok(())
}

/// A timeline as JSON, and how long it was when it had only its first `known` lines.
pub(super) fn timeline(events: &[Event], known: usize) -> (String, i32) {
    let mut text = String::with_capacity(160 * events.len() + 2);
    text.push('[');
    let mut before = 2;
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&json(event));
        if index + 1 == known {
            before = i32::try_from(text.len() + 1).unwrap_or(i32::MAX);
        }
    }
    text.push(']');
    (text, before)
}

async fn event_keys(connection: &mut PgConnection, keys: &[(String, String, DateTime<Utc>)]) -> Result<(), StoreError> {
    let mut rows: Vec<_> = keys.iter().map(|(key, message_id, at)| (stored_key(key), message_id, at)).collect();
    // Keys of parked reports hang on no locked message: their order is theirs alone.
    rows.sort_unstable();
    sqlx::query(
        "INSERT INTO event_keys (event_key, message_id, recorded_at) \
         SELECT * FROM unnest($1::bytea[], $2::text[], $3::timestamptz[]) ON CONFLICT DO NOTHING",
    )
    .bind(column(&rows, |(key, ..)| key.as_slice()))
    .bind(column(&rows, |(_, message_id, _)| message_id.as_str()))
    .bind(column(&rows, |(.., at)| **at))
    .execute(connection)
    .await?;
    Ok(())
}

async fn park(connection: &mut PgConnection, updates: &[StatusUpdate]) -> Result<(), StoreError> {
    let mut rows: Vec<_> = updates.iter().map(|update| (scoped_key(update, None), update)).collect();
    rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    sqlx::query(
        "INSERT INTO parked_updates (event_key, provider, provider_message_id, body, parked_at) \
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) ON CONFLICT DO NOTHING",
    )
    .bind(column(&rows, |(key, _)| key.as_str()))
    .bind(column(&rows, |(_, update)| update.provider.as_str()))
    .bind(column(&rows, |(_, update)| update.report.provider_message_id.as_str()))
    .bind(column(&rows, |(_, update)| json(update)))
    .bind(column(&rows, |(_, update)| update.at))
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::message::EventKind;

    use super::*;

    #[test]
    fn a_timeline_is_the_json_array_that_is_read_and_knows_how_long_it_was() {
        let event = |detail: &str| Event {
            kind: EventKind::Recorded,
            status: Status::Requested,
            occur_time: DateTime::UNIX_EPOCH,
            record_time: DateTime::UNIX_EPOCH,
            provider: "cloudmsg".to_owned(),
            detail: detail.to_owned(),
            failure: None,
        };
        let events = [event("하나"), event("둘"), event("\"셋\"")];
        for known in 0..=events.len() {
            let (text, before) = timeline(&events, known);
            assert_eq!(text, json(&events));
            assert_eq!(usize::try_from(before).unwrap(), json(&&events[..known]).len());
        }
    }
}
