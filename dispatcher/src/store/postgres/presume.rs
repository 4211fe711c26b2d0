//! The usual batch in one statement, which is its own transaction: one round trip, one commit.

use std::{collections::HashSet, io, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;
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
        return Ok(presumed.ids());
    }
    Err(written)
}

/// As if all request ids were new; if one is not, once more without that. Callers that repeat themselves do so again: for
/// a while this connection expects it.
async fn attempt(kept: &mut Kept, presumed: &Presumed) -> Result<Vec<String>, StoreError> {
    let read = Read::default();
    if kept.repeats_until.is_none_or(|until| until <= Instant::now()) {
        match write(kept, false, presumed, &read).await {
            Err(error) if is_repetition(&error) => kept.repeats_until = Some(Instant::now() + REPEATS),
            written => return written,
        }
    }
    write(kept, true, presumed, &read).await
}

/// Whether somebody has asked with one of the request ids before.
fn is_repetition(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(sqlx::Error::Database(error))
        if error.is_unique_violation() && error.constraint() == Some("request_ids_pkey"))
}

/// Whether the long way may find out more: a row that was presumed to be new is there, a month's tables are not what they
/// were, or the connection broke and nobody knows what was committed.
pub(super) fn goes_the_long_way(error: &StoreError) -> bool {
    // undefined_table, insufficient_privilege
    const OTHER_TABLES: [&str; 2] = ["42P01", "42501"];
    let is_taken = match error {
        StoreError::Unavailable(sqlx::Error::Database(error)) => {
            error.is_unique_violation() || error.code().is_some_and(|code| OTHER_TABLES.contains(&code.as_ref()))
        }
        _ => false,
    };
    is_taken || may_pass(error)
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
    kept: &mut Kept,
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
    let mut query =
        sqlx::query_as(AssertSqlSafe(Arc::clone(kept.statements.for_batch(presumed).get(repeated, moving))))
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
    let (recorded, changed): (Option<Vec<String>>, Option<Vec<String>>) = query.fetch_one(&mut kept.connection).await?;
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
