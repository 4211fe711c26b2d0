//! One transaction for many writes: load what the ledger needs, let it decide, store what it decided.

use std::time::Duration;

use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::{read, row::micros};
use crate::{
    message::Message,
    store::{
        StatusUpdate, StoreError, Write, Written,
        ledger::{Effects, Ledger, Needs},
        stored::json,
    },
};

pub(super) async fn commit(
    pool: &SqlitePool,
    writes: Vec<Write>,
    reconcile_after: Duration,
) -> Result<Vec<Written>, StoreError> {
    // Takes the write lock at once: what is read below cannot change before it is written.
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut ledger = load(&mut transaction, &writes, reconcile_after).await?;
    let written = writes.into_iter().map(|write| ledger.apply(write)).collect();
    let effects = ledger.into_effects();
    let conflicts = effects.conflicts.clone();
    store(&mut transaction, effects).await?;
    transaction.commit().await?;
    conflicts.count();
    Ok(written)
}

async fn load(
    connection: &mut SqliteConnection,
    writes: &[Write],
    reconcile_after: Duration,
) -> Result<Ledger, StoreError> {
    let needs = Needs::of(writes);
    let mut ledger = Ledger::new(reconcile_after);
    for message_id in &needs.message_ids {
        if let Some(message) = read::message(connection, message_id).await? {
            ledger.know_message(message);
        }
    }
    for (provider, provider_message_id) in &needs.provider_ids {
        if let Some(message) = read::by_provider_id(connection, provider, provider_message_id).await? {
            ledger.know_message(message);
        }
    }
    for (organization_id, request_id) in needs.request_ids {
        let found = read::request(connection, &organization_id, &request_id).await?;
        if let Some((message, fingerprint)) = found {
            ledger.know_request(organization_id, request_id, fingerprint, message.id.clone());
            ledger.know_message(message);
        }
    }
    for provider_message_id in &needs.parked {
        for update in parked(connection, provider_message_id).await? {
            ledger.know_parked(update);
        }
    }
    for key in ledger.event_keys(writes) {
        let known = sqlx::query("SELECT 1 FROM event_keys WHERE event_key = ?1")
            .bind(&key)
            .fetch_optional(&mut *connection)
            .await?;
        if known.is_some() {
            ledger.know_event_key(key);
        }
    }
    Ok(ledger)
}

async fn parked(connection: &mut SqliteConnection, provider_message_id: &str) -> Result<Vec<StatusUpdate>, StoreError> {
    let rows = sqlx::query("SELECT body FROM parked_updates WHERE provider_message_id = ?1 ORDER BY parked_at")
        .bind(provider_message_id)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            serde_json::from_str(&row.try_get::<String, _>("body")?).map_err(|error| StoreError::Inconsistent {
                message_id: String::new(),
                why: format!("a parked report cannot be read: {error}"),
            })
        })
        .collect()
}

async fn store(connection: &mut SqliteConnection, effects: Effects) -> Result<(), StoreError> {
    for message in &effects.inserts {
        insert(connection, message).await?;
    }
    for changed in &effects.updates {
        update(connection, &changed.message).await?;
    }
    for request in &effects.requests {
        sqlx::query("INSERT INTO request_ids (organization_id, request_id, fingerprint, message_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5)")
            .bind(&request.organization_id)
            .bind(&request.request_id)
            .bind(&request.fingerprint[..])
            .bind(&request.message_id)
            .bind(micros(request.at))
            .execute(&mut *connection)
            .await?;
    }
    for (key, message_id, at) in &effects.event_keys {
        sqlx::query(
            "INSERT INTO event_keys (event_key, message_id, recorded_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )
        .bind(key)
        .bind(message_id)
        .bind(micros(*at))
        .execute(&mut *connection)
        .await?;
    }
    for update in &effects.park {
        sqlx::query("INSERT INTO parked_updates (event_key, provider_message_id, body, parked_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")
            .bind(crate::store::ledger::scoped_key(update, None))
            .bind(&update.report.provider_message_id)
            .bind(json(update))
            .bind(micros(update.at))
            .execute(&mut *connection)
            .await?;
    }
    for key in &effects.unpark {
        sqlx::query("DELETE FROM parked_updates WHERE event_key = ?1").bind(key).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, message: &Message) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO messages (id, organization_id, type, recipient, sender, body, status, created_at, provider, \
         provider_account, account_organization_id, config_revision, provider_config_version, request_id, labels, content, \
         events, due_at, fallback_message_id) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, '')",
    )
    .bind(&message.id)
    .bind(&message.organization_id)
    .bind(message.channel.as_str())
    .bind(&message.to)
    .bind(&message.sender)
    .bind(message.content.body())
    .bind(message.state.status().as_str())
    .bind(micros(message.create_time))
    .bind(&message.route.provider)
    .bind(&message.route.provider_account)
    .bind(&message.route.account_organization_id)
    .bind(message.route.config_revision)
    .bind(message.route.provider_config_version)
    .bind(&message.request_id)
    .bind(json(&message.labels))
    .bind(message.content.details())
    .bind(json(&message.events))
    .bind(message.due_time.map(micros))
    .execute(&mut *connection)
    .await?;
    for (position, image) in (0_i64..).zip(message.content.images()) {
        sqlx::query(
            "INSERT INTO message_images (message_id, position, width, height, data) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(&message.id)
        .bind(position)
        .bind(image.width())
        .bind(image.height())
        .bind(&image.data()[..])
        .execute(&mut *connection)
        .await?;
    }
    // A message that was inserted and moved within one batch carries more than its first state.
    if message.state.status() != crate::message::Status::Requested {
        update(connection, message).await?;
    }
    Ok(())
}

async fn update(connection: &mut SqliteConnection, message: &Message) -> Result<(), StoreError> {
    let receipt = message.state.receipt();
    sqlx::query(
        "UPDATE messages SET status = ?2, provider = ?3, provider_account = ?4, account_organization_id = ?5, \
         config_revision = ?6, provider_config_version = ?7, provider_message_id = ?8, events = ?9, failure = ?10, \
         fallback_message_id = ?11, accepted_at = ?12, result_at = ?13, due_at = ?14, checks = ?15, sender = ?16 WHERE id = ?1",
    )
    .bind(&message.id)
    .bind(message.state.status().as_str())
    .bind(&message.route.provider)
    .bind(&message.route.provider_account)
    .bind(&message.route.account_organization_id)
    .bind(message.route.config_revision)
    .bind(message.route.provider_config_version)
    .bind(receipt.map_or("", |receipt| receipt.provider_message_id.as_str()))
    .bind(json(&message.events))
    .bind(message.failure().map(json))
    .bind(&message.fallback_message_id)
    .bind(receipt.map(|receipt| micros(receipt.accept_time)))
    .bind(message.state.result_time().map(micros))
    .bind(message.due_time.map(micros))
    .bind(i64::from(message.checks))
    .bind(&message.sender)
    .execute(&mut *connection)
    .await?;
    if message.state.is_final() && message.channel == switchboard_providers::model::Channel::Mms {
        sqlx::query("DELETE FROM message_images WHERE message_id = ?1").bind(&message.id).execute(connection).await?;
    }
    Ok(())
}
