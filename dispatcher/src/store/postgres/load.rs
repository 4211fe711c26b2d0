//! What the ledger needs: claimed, locked and read.
//!
//! Locks are always taken in one order: request ids by their key, then messages by their id, then whatever hangs on a
//! locked message. So replicas wait for each other, never crosswise.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row as _};

use super::{
    read::{self, Place, fingerprint, lost},
    window::Window,
};
use crate::store::{
    NewMessage, StatusUpdate, StoreError, Write,
    ledger::{Ledger, Needs},
};

/// Where the messages that may change stand in the list of what must be looked after.
pub(super) type Places = HashMap<String, Option<DateTime<Utc>>>;

/// Fills a ledger.
pub(super) async fn load(
    connection: &mut PgConnection,
    writes: &[Write],
    needs: &Needs,
    ledger: &mut Ledger,
) -> Result<Places, StoreError> {
    let mut listed = Places::new();
    claim_requests(connection, writes, ledger).await?;
    let mut places: Vec<Place> = needs.message_ids.iter().map(|id| (id.clone(), Window::of(id))).collect();
    if !needs.provider_ids.is_empty() {
        places.extend(named(connection, &needs.provider_ids).await?);
    }
    for (id, known) in read::locked(connection, places).await? {
        listed.insert(id, known.at);
        ledger.know_message(known.message);
    }
    if !needs.parked.is_empty() {
        parked(connection, &needs.parked, ledger).await?;
    }
    event_keys(connection, writes, ledger).await?;
    Ok(listed)
}

/// Who asks first with a request id, has it. A replica that asks at the same time waits here for the other's commit. What
/// is already taken, the ledger learns.
async fn claim_requests(
    connection: &mut PgConnection,
    writes: &[Write],
    ledger: &mut Ledger,
) -> Result<(), StoreError> {
    let mut claims: BTreeMap<(&str, &str), &NewMessage> = BTreeMap::new();
    for write in writes {
        if let Write::Record(new) = write
            && !new.message.request_id.is_empty()
        {
            claims.entry((&new.message.organization_id, &new.message.request_id)).or_insert(new);
        }
    }
    if claims.is_empty() {
        return Ok(());
    }
    let claimed = sqlx::query(
        "INSERT INTO request_ids (organization_id, request_id, fingerprint, message_id, created_at) \
         SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[]) \
         ON CONFLICT DO NOTHING RETURNING organization_id, request_id",
    )
    .bind(claims.keys().map(|key| key.0).collect::<Vec<_>>())
    .bind(claims.keys().map(|key| key.1).collect::<Vec<_>>())
    .bind(claims.values().map(|new| &new.fingerprint[..]).collect::<Vec<_>>())
    .bind(claims.values().map(|new| new.message.id.as_str()).collect::<Vec<_>>())
    .bind(claims.values().map(|new| new.message.create_time).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    if claimed.len() == claims.len() {
        return Ok(());
    }
    for row in &claimed {
        claims.remove(&(row.try_get(0)?, row.try_get(1)?));
    }
    let taken = claims.into_keys().map(|(organization, request)| (organization.to_owned(), request.to_owned()));
    know_requests(connection, taken.collect(), ledger).await
}

async fn know_requests(
    connection: &mut PgConnection,
    taken: Vec<(String, String)>,
    ledger: &mut Ledger,
) -> Result<(), StoreError> {
    let (organizations, requests): (Vec<String>, Vec<String>) = taken.into_iter().unzip();
    let rows = sqlx::query(
        "SELECT r.organization_id, r.request_id, r.message_id, r.fingerprint \
         FROM unnest($1::text[], $2::text[]) AS taken (organization, request) \
         JOIN request_ids r ON r.organization_id = organization AND r.request_id = request",
    )
    .bind(organizations)
    .bind(requests)
    .fetch_all(&mut *connection)
    .await?;
    let mut places = Vec::with_capacity(rows.len());
    for row in &rows {
        let message_id: String = row.try_get(2)?;
        let fingerprint = fingerprint(&message_id, row.try_get(3)?)?;
        places.push((message_id.clone(), Window::of(&message_id)));
        ledger.know_request(row.try_get(0)?, row.try_get(1)?, fingerprint, message_id);
    }
    let mut messages = read::unlocked(connection, places.clone()).await?;
    for (message_id, _) in places {
        let known = messages.remove(&message_id).ok_or_else(|| lost(message_id))?;
        ledger.know_message(known.message);
    }
    Ok(())
}

pub(super) const NAMED: &str = "SELECT message_id, created_at FROM unnest($1::text[], $2::text[]) AS named (vendor, name) \
    JOIN provider_message_ids ON provider_message_id = name AND provider = vendor";

/// Where the messages are that vendors name by their own ids.
pub(super) async fn named(connection: &mut PgConnection, ids: &[(String, String)]) -> Result<Vec<Place>, StoreError> {
    let rows = sqlx::query(NAMED)
        .bind(ids.iter().map(|(provider, _)| provider.as_str()).collect::<Vec<_>>())
        .bind(ids.iter().map(|(_, provider_message_id)| provider_message_id.as_str()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let place = |row: &sqlx::postgres::PgRow| -> Result<Place, sqlx::Error> {
        let created_at: DateTime<Utc> = row.try_get(1)?;
        Ok((row.try_get(0)?, Window { from: created_at, until: created_at }))
    };
    Ok(rows.iter().map(place).collect::<Result<_, _>>()?)
}

async fn parked(connection: &mut PgConnection, ids: &[String], ledger: &mut Ledger) -> Result<(), StoreError> {
    let bodies: Vec<String> = sqlx::query_scalar(
        "SELECT body FROM parked_updates WHERE provider_message_id = ANY($1) ORDER BY parked_at, event_key",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    for body in bodies {
        ledger.know_parked(parse_parked(&body)?);
    }
    Ok(())
}

/// A parked report as it is stored.
pub(super) fn parse_parked(body: &str) -> Result<StatusUpdate, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Inconsistent {
        message_id: String::new(),
        why: format!("a parked report cannot be read: {error}"),
    })
}

pub(super) const EVENT_KEYS: &str = "SELECT event_key FROM event_keys WHERE event_key = ANY($1)";

/// Which of their events have been applied before.
pub(super) async fn event_keys(
    connection: &mut PgConnection,
    writes: &[Write],
    ledger: &mut Ledger,
) -> Result<(), StoreError> {
    let keys: Vec<Vec<u8>> = ledger.event_keys(writes).iter().map(|key| stored_key(key)).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let known: Vec<Vec<u8>> = sqlx::query_scalar(EVENT_KEYS).bind(keys).fetch_all(connection).await?;
    known.into_iter().for_each(|key| ledger.know_event_key(hex::encode(key)));
    Ok(())
}

/// An event key as it is stored: the bytes behind its hexadecimal digits.
pub(super) fn stored_key(key: &str) -> Vec<u8> {
    hex::decode(key).unwrap_or_else(|_| key.as_bytes().to_vec())
}
