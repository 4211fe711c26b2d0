//! The usual batch in one statement, which is its own transaction: one round trip, one commit.

use std::{io, time::Duration};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow};

use super::{
    commit::may_pass,
    listing::Moved,
    write::{accepted_at, column, provider_message_id, timeline},
};
use crate::{
    message::Message,
    store::{NewMessage, Presumed, StoreError, stored::json},
};

/// How long it may take: a server that has fallen silent is told from a slow one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Request ids first and messages after, as in every transaction: whoever needs the other's order waits, never crosswise.
/// A subquery that is not at the top of a condition is hashed once, however many rows ask it.
pub(super) const PRESUME: &str = "WITH claimed AS (\
        INSERT INTO request_ids (organization_id, request_id, message_id, created_at, fingerprint) \
        SELECT * FROM unnest($2::text[], $13::text[], $1::text[], $7::timestamptz[], $18::bytea[]) AS new (owner, request) \
        WHERE request <> '' ON CONFLICT DO NOTHING RETURNING message_id), \
    inserted AS (\
        INSERT INTO messages (id, organization_id, type, recipient, sender, body, created_at, provider, provider_account, \
        account_organization_id, config_revision, provider_config_version, request_id, labels, content, events, due_at, \
        listed_at, status) \
        SELECT *, due, 'REQUESTED' FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], \
        $7::timestamptz[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], \
        $15::text[], $16::text[], $17::timestamptz[]) \
        AS new (message, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, request, c14, c15, c16, due) \
        WHERE request = '' OR message IN (SELECT message_id FROM claimed) \
        RETURNING listed_at, id, created_at), \
    opened AS (INSERT INTO open_messages (listed_at, message_id, created_at) SELECT * FROM inserted), \
    changed AS (\
        UPDATE messages SET status = new.status, provider_message_id = name, events = new.events, failure = new.failure, \
        accepted_at = accepted, result_at = result, due_at = due, listed_at = listed, checks = 0 \
        FROM unnest($19::text[], $20::text[], $21::timestamptz[], $22::text[], $23::text[], $24::text[], $25::text[], \
        $26::timestamptz[], $27::timestamptz[], $28::timestamptz[], $29::timestamptz[], $30::timestamptz[], $31::integer[]) \
        AS new (message, owner, created, status, name, events, failure, accepted, result, due, listed, due_before, \
        events_before) \
        WHERE (SELECT count(*) FROM claimed) >= 0 AND id = message AND organization_id = owner AND created_at = created \
        AND due_at IS NOT DISTINCT FROM due_before AND listed_at IS NOT DISTINCT FROM due_before \
        AND octet_length(messages.events) = events_before \
        AND NOT EXISTS (SELECT FROM parked_updates AS early WHERE early.provider_message_id = name) \
        RETURNING id), \
    named AS (\
        INSERT INTO provider_message_ids (provider_message_id, provider, message_id, created_at) \
        SELECT * FROM unnest($32::text[], $33::text[], $19::text[], $21::timestamptz[]) AS new (name, vendor, message) \
        WHERE name <> '' AND (message IN (SELECT id FROM changed)) IS TRUE ON CONFLICT DO NOTHING), \
    gone AS (\
        DELETE FROM open_messages USING unnest($34::timestamptz[], $35::text[]) AS old (listed, message) \
        WHERE listed_at = listed AND message_id = message AND (message IN (SELECT id FROM changed)) IS TRUE), \
    moved AS (\
        INSERT INTO open_messages (listed_at, message_id, created_at) \
        SELECT * FROM unnest($36::timestamptz[], $35::text[], $37::timestamptz[]) AS new (listed, message) \
        WHERE listed IS NOT NULL AND (message IN (SELECT id FROM changed)) IS TRUE) \
    SELECT message FROM unnest($1::text[]) AS message WHERE message NOT IN (SELECT id FROM inserted) \
    UNION ALL \
    SELECT message FROM unnest($19::text[]) AS message WHERE message NOT IN (SELECT id FROM changed)";

/// Writes it; the ids of what is to go the long way.
pub(super) async fn presume(pool: &PgPool, presumed: &Presumed) -> Result<Vec<String>, StoreError> {
    let mut connection = pool.acquire().await?;
    match tokio::time::timeout(PATIENCE, write(&mut connection, presumed)).await {
        Ok(Ok(refused)) => Ok(refused),
        // Either nothing was committed, or the connection broke and nobody knows: the long way finds out.
        Ok(Err(error)) if may_pass(&error) => {
            tracing::debug!(%error, "a batch of the history goes the long way");
            Ok(ids(presumed))
        }
        Ok(Err(error)) => Err(error),
        Err(_) => {
            connection.close_on_drop();
            Err(StoreError::Unavailable(io::Error::from(io::ErrorKind::TimedOut).into()))
        }
    }
}

fn ids(presumed: &Presumed) -> Vec<String> {
    let Presumed { records, settled } = presumed;
    let records = records.iter().map(|new| new.message.id.clone());
    records.chain(settled.iter().map(|update| update.message.id.clone())).collect()
}

async fn write(connection: &mut PgConnection, presumed: &Presumed) -> Result<Vec<String>, StoreError> {
    let messages: Vec<&Message> = presumed.records.iter().map(|new| &new.message).collect();
    let new = messages.as_slice();
    let moved: Vec<Moved> = presumed.settled.iter().map(|update| Moved::new(update, update.before.due_time)).collect();
    let settled: Vec<&Message> = presumed.settled.iter().map(|update| &update.message).collect();
    let (events, events_before): (Vec<String>, Vec<i32>) =
        presumed.settled.iter().map(|update| timeline(&update.message.events, update.before.events)).unzip();
    let elsewhere: Vec<&Moved> = moved.iter().filter(|row| row.from != row.to).collect();
    let rows = sqlx::query(PRESUME)
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
        .bind(column(&settled, |m| m.organization_id.as_str()))
        .bind(column(&settled, |m| m.create_time))
        .bind(column(&settled, |m| m.state.status().as_str()))
        .bind(column(&settled, |m| provider_message_id(m)))
        .bind(events)
        .bind(column(&settled, |m| m.failure().map(json)))
        .bind(column(&settled, |m| accepted_at(m)))
        .bind(column(&settled, |m| m.state.result_time()))
        .bind(column(&settled, |m| m.due_time))
        .bind(column(&moved, |row| row.to))
        .bind(column(&moved, |row| row.from))
        .bind(events_before)
        .bind(column(&presumed.settled, |update| {
            let name = provider_message_id(&update.message);
            if update.before.provider_message_id == name { "" } else { name }
        }))
        .bind(column(&settled, |m| m.route.provider.as_str()))
        .bind(column::<_, Option<DateTime<Utc>>>(&elsewhere, |row| row.from))
        .bind(column(&elsewhere, |row| row.update.message.id.as_str()))
        .bind(column(&elsewhere, |row| row.to))
        .bind(column(&elsewhere, |row| row.update.message.create_time))
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(|row: &PgRow| row.try_get(0)).collect::<Result<_, _>>()?)
}

fn fingerprint(new: &NewMessage) -> &[u8] {
    &new.fingerprint
}
