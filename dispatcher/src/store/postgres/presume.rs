//! The usual batch in one statement, which is its own transaction: one round trip, one commit.

use std::{collections::HashSet, io, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tokio::time::Instant;

use super::{
    commit::may_pass,
    listing::Moved,
    load::{Places, stored_key},
    standing::{Kept, Standing},
    write::{accepted_at, column, provider_message_id, timeline},
};
use crate::{
    message::Message,
    store::{NewMessage, Presumed, StoreError, Update, stored::json},
};

/// How long it may take: a server that has fallen silent is told from a slow one.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long repeated requests are expected after one was seen.
const REPEATS: Duration = Duration::from_secs(10);

/// Request ids first and messages after, as in every transaction: whoever needs the other's order waits, never crosswise.
/// A subquery that is not at the top of a condition is hashed once, however many rows ask it. Arrays are taken apart in
/// select lists, row by row: as tables they would be copied first, each column for itself.
///
/// A message that gets its first name has no other of that name, and one that has not moved since it was read has none of
/// the events that were new to it then: names and keys are written without asking once more.
macro_rules! statement {
    (
        taken: $unless_taken:literal, $of_claimed:literal;
        moved: $set:literal, $columns:literal, $stands:literal, $first_name:literal, $moved:literal
    ) => {
        concat!(
            "WITH claimed AS (\
                INSERT INTO request_ids (organization_id, request_id, message_id, created_at, fingerprint) \
                SELECT * FROM (SELECT unnest($2::text[]), unnest($13::text[]) AS request, unnest($1::text[]), \
                unnest($7::timestamptz[]), unnest($18::bytea[])) AS new \
                WHERE request <> ''",
            $unless_taken,
            " RETURNING message_id), \
            inserted AS (\
                INSERT INTO messages (id, organization_id, type, recipient, sender, body, created_at, provider, \
                provider_account, account_organization_id, config_revision, provider_config_version, request_id, labels, \
                content, events, due_at, listed_at, status) \
                SELECT *, due, 'REQUESTED' FROM (SELECT unnest($1::text[]) AS message, unnest($2::text[]), \
                unnest($3::text[]), unnest($4::text[]), unnest($5::text[]), unnest($6::text[]), unnest($7::timestamptz[]), \
                unnest($8::text[]), unnest($9::text[]), unnest($10::text[]), unnest($11::bigint[]), unnest($12::bigint[]), \
                unnest($13::text[]) AS request, unnest($14::text[]), unnest($15::text[]), unnest($16::text[]), \
                unnest($17::timestamptz[]) AS due) AS new WHERE ",
            $of_claimed,
            " RETURNING listed_at, id, created_at), \
            opened AS (INSERT INTO open_messages (listed_at, message_id, created_at) SELECT * FROM inserted), \
            changed AS (\
                UPDATE messages SET status = new.status, provider_message_id = name, events = new.events, \
                failure = new.failure, accepted_at = accepted, result_at = result, due_at = due, checks = 0",
            $set,
            " FROM (SELECT unnest($19::text[]) AS message, unnest($20::timestamptz[]) AS created, \
                unnest($21::text[]) AS status, unnest($22::text[]) AS name, unnest($23::text[]) AS events, \
                unnest($24::text[]) AS failure, unnest($25::timestamptz[]) AS accepted, unnest($26::timestamptz[]) AS result, \
                unnest($27::timestamptz[]) AS due, unnest($28::timestamptz[]) AS due_before, \
                unnest($29::integer[]) AS events_before",
            $columns,
            ") AS new \
                WHERE (SELECT count(*) FROM claimed) >= 0 AND id = message AND created_at = created \
                AND due_at IS NOT DISTINCT FROM due_before AND octet_length(messages.events) = events_before",
            $stands,
            " AND (NOT EXISTS (SELECT FROM parked_updates) \
                OR NOT EXISTS (SELECT FROM parked_updates AS early WHERE early.provider_message_id = name)) \
                RETURNING id, provider, created_at, ",
            $first_name,
            " AS first_name), \
            named AS (\
                INSERT INTO provider_message_ids (provider_message_id, provider, message_id, created_at) \
                SELECT first_name, provider, id, created_at FROM changed WHERE first_name <> '') ",
            $moved,
            "SELECT CASE WHEN (SELECT count(*) FROM inserted) < cardinality($1) THEN ARRAY(SELECT id FROM inserted) END, \
            CASE WHEN (SELECT count(*) FROM changed) < cardinality($19) THEN ARRAY(SELECT id FROM changed) END"
        )
    };
}

/// What becomes of request ids that are taken: one fails the statement as a whole, or whoever asks with it is left alone.
/// To ask before entering each costs a tenth more.
macro_rules! of_requests {
    (new, $($moved:tt)*) => { statement!(taken: "", "(SELECT count(*) FROM claimed) >= 0"; $($moved)*) };
    (repeated, $($moved:tt)*) => {
        statement!(
            taken: " ON CONFLICT DO NOTHING", "request = '' OR message IN (SELECT message_id FROM claimed)";
            $($moved)*
        )
    };
}

/// What becomes of the messages' places in the list of what must be looked after: all stay where they are, as nearly
/// always when a vendor has answered, or some move.
macro_rules! presume {
    ($requests:ident, staying) => { of_requests!($requests, moved: "", "", "", "name", "") };
    ($requests:ident, moving) => {
        of_requests!(
            $requests,
            moved: ", listed_at = listed",
            ", unnest($30::timestamptz[]) AS listed, unnest($31::timestamptz[]) AS listed_before, \
            unnest($32::text[]) AS first_name",
            " AND listed_at IS NOT DISTINCT FROM listed_before",
            "first_name",
            ", keyed AS (\
                INSERT INTO event_keys (event_key, message_id, recorded_at) \
                SELECT * FROM (SELECT unnest($33::bytea[]), unnest($34::text[]) AS message, unnest($35::timestamptz[])) \
                AS new WHERE (message IN (SELECT id FROM changed)) IS TRUE), \
            gone AS (\
                DELETE FROM open_messages USING unnest($36::timestamptz[], $37::text[]) AS old (listed, message) \
                WHERE listed_at = listed AND message_id = message AND (message IN (SELECT id FROM changed)) IS TRUE), \
            moved AS (\
                INSERT INTO open_messages (listed_at, message_id, created_at) \
                SELECT * FROM unnest($38::timestamptz[], $37::text[], $39::timestamptz[]) AS new (listed, message) \
                WHERE listed IS NOT NULL AND (message IN (SELECT id FROM changed)) IS TRUE) "
        )
    };
}

/// The statement for request ids of which some may be taken, or none, and for messages of which some move, or none.
pub(super) const fn statement(repeated: bool, moving: bool) -> &'static str {
    match (repeated, moving) {
        (false, false) => presume!(new, staying),
        (false, true) => presume!(new, moving),
        (true, false) => presume!(repeated, staying),
        (true, true) => presume!(repeated, moving),
    }
}

/// Writes it; the ids of what is to go the long way.
pub(super) async fn presume(standing: &Standing, presumed: &Presumed) -> Result<Vec<String>, StoreError> {
    let written = match standing.take().await {
        Ok(mut kept) => match tokio::time::timeout(PATIENCE, attempt(&mut kept, presumed)).await {
            Ok(Ok(refused)) => {
                standing.keep(kept);
                return Ok(refused);
            }
            Ok(Err(error)) => error,
            Err(_) => return Err(silent()),
        },
        Err(error) => error.into(),
    };
    if goes_the_long_way(&written) {
        tracing::debug!(error = %written, "a batch of the history goes the long way");
        return Ok(ids(presumed));
    }
    Err(written)
}

/// As if all request ids were new; if one is not, once more without that. Callers that repeat themselves do so again: for
/// a while this connection expects it.
async fn attempt(kept: &mut Kept, presumed: &Presumed) -> Result<Vec<String>, StoreError> {
    let (connection, read) = (&mut kept.connection, Read::default());
    if kept.repeats_until.is_none_or(|until| until <= Instant::now()) {
        match write(connection, false, presumed, &read).await {
            Err(error) if is_repetition(&error) => kept.repeats_until = Some(Instant::now() + REPEATS),
            written => return written,
        }
    }
    write(connection, true, presumed, &read).await
}

/// Whether somebody has asked with one of the request ids before.
fn is_repetition(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(sqlx::Error::Database(error))
        if error.is_unique_violation() && error.constraint() == Some("request_ids_pkey"))
}

/// Whether the long way may find out more: a row that was presumed to be new is there, or the connection broke and nobody
/// knows what was committed.
pub(super) fn goes_the_long_way(error: &StoreError) -> bool {
    let is_taken =
        matches!(error, StoreError::Unavailable(sqlx::Error::Database(error)) if error.is_unique_violation());
    is_taken || may_pass(error)
}

fn ids(presumed: &Presumed) -> Vec<String> {
    let Presumed { records, settled, .. } = presumed;
    let records = records.iter().map(|new| new.message.id.clone());
    records.chain(settled.iter().map(|update| update.message.id.clone())).collect()
}

/// The server has not answered for so long that nobody waits for it any more.
pub(super) fn silent() -> StoreError {
    StoreError::Unavailable(io::Error::from(io::ErrorKind::TimedOut).into())
}

/// What is known of messages that were read a moment ago.
#[derive(Default)]
pub(super) struct Read {
    /// Where they stand in the list of what must be looked after; those that were not read stand where they were due.
    pub(super) places: Places,
    /// Keys of the events that moved them, each with its message and the time: written with the message, or not at all.
    pub(super) event_keys: Vec<(String, String, DateTime<Utc>)>,
}

/// Writes it on a connection. `repeated`: request ids may be taken.
pub(super) async fn write(
    connection: &mut PgConnection,
    repeated: bool,
    presumed: &Presumed,
    read: &Read,
) -> Result<Vec<String>, StoreError> {
    let messages: Vec<&Message> = presumed.records.iter().map(|new| &new.message).collect();
    let new = messages.as_slice();
    let place = |update: &Update| read.places.get(&update.message.id).copied().unwrap_or(update.before.due_time);
    let moved: Vec<Moved> = presumed.settled.iter().map(|update| Moved::new(update, place(update))).collect();
    let settled: Vec<&Message> = presumed.settled.iter().map(|update| &update.message).collect();
    let (events, events_before): (Vec<String>, Vec<i32>) =
        presumed.settled.iter().map(|update| timeline(&update.message.events, update.before.events)).unzip();
    let elsewhere: Vec<&Moved> = moved.iter().filter(|row| row.from != row.to).collect();
    let named_before = presumed.settled.iter().any(|update| !update.before.provider_message_id.is_empty());
    let moving = !elsewhere.is_empty() || !read.event_keys.is_empty() || named_before;
    let mut query = sqlx::query_as(statement(repeated, moving))
        .bind(column(new, |m| m.id.as_str()))
        .bind(column(new, |m| m.organization_id.as_str()))
        .bind(column(new, |m| m.channel.as_str()))
        .bind(column(new, |m| m.to.as_str()))
        .bind(column(new, |m| m.sender.as_str()))
        .bind(column(new, |m| m.content.body()))
        .bind(column(new, |m| m.create_time))
        .bind(column(new, |m| m.route.provider.as_str()))
        .bind(column(new, |m| m.route.provider_account.as_str()))
        .bind(column(new, |m| m.route.account_organization_id.as_str()))
        .bind(column(new, |m| m.route.config_revision))
        .bind(column(new, |m| m.route.provider_config_version))
        .bind(column(new, |m| m.request_id.as_str()))
        .bind(column(new, |m| json(&m.labels)))
        .bind(column(new, |m| m.content.details()))
        .bind(column(new, |m| json(&m.events)))
        .bind(column(new, |m| m.due_time))
        .bind(column(&presumed.records, fingerprint))
        .bind(column(&settled, |m| m.id.as_str()))
        .bind(column(&settled, |m| m.create_time))
        .bind(column(&settled, |m| m.state.status().as_str()))
        .bind(column(&settled, |m| provider_message_id(m)))
        .bind(events)
        .bind(column(&settled, |m| m.failure().map(json)))
        .bind(column(&settled, |m| accepted_at(m)))
        .bind(column(&settled, |m| m.state.result_time()))
        .bind(column(&settled, |m| m.due_time))
        .bind(column(&presumed.settled, |update| update.before.due_time))
        .bind(events_before);
    if moving {
        query = query
            .bind(column(&moved, |row| row.to))
            .bind(column(&moved, |row| row.from))
            .bind(column(&presumed.settled, |update| {
                let name = provider_message_id(&update.message);
                if update.before.provider_message_id == name { "" } else { name }
            }))
            .bind(column(&read.event_keys, |(key, ..)| stored_key(key)))
            .bind(column(&read.event_keys, |(_, message_id, _)| message_id.as_str()))
            .bind(column(&read.event_keys, |(.., at)| *at))
            .bind(column::<_, Option<DateTime<Utc>>>(&elsewhere, |row| row.from))
            .bind(column(&elsewhere, |row| row.update.message.id.as_str()))
            .bind(column(&elsewhere, |row| row.to))
            .bind(column(&elsewhere, |row| row.update.message.create_time));
    }
    let (recorded, changed): (Option<Vec<String>>, Option<Vec<String>>) = query.fetch_one(connection).await?;
    let mut refused = others(&messages, recorded);
    refused.extend(others(&settled, changed));
    Ok(refused)
}

/// The ids of the messages that are not among those that were `written`; `None`: all were.
fn others(messages: &[&Message], written: Option<Vec<String>>) -> Vec<String> {
    let Some(written) = written else { return Vec::new() };
    let written: HashSet<String> = written.into_iter().collect();
    messages.iter().filter(|message| !written.contains(&message.id)).map(|message| message.id.clone()).collect()
}

fn fingerprint(new: &NewMessage) -> &[u8] {
    &new.fingerprint
}
