//! Rows ⇄ messages.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use switchboard_providers::model::Image;

use crate::{
    message::{Content, Message, Receipt, Route, State, Status},
    store::StoreError,
};

/// Every column of a message, in the order in which [`message`] expects them to be named.
pub(super) const COLUMNS: &str = "id, organization_id, type, recipient, sender, body, status, created_at, provider, \
    provider_account, account_organization_id, config_revision, provider_config_version, provider_message_id, \
    request_id, labels, content, events, failure, fallback_message_id, accepted_at, result_at, due_at, checks";

/// An instant as it is stored.
pub(super) fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

fn time(micros: i64) -> Result<DateTime<Utc>, String> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| format!("{micros} is no time"))
}

/// Reads one row. Images are not read: they are wanted only where a message is sent again.
pub(super) fn message(row: &SqliteRow) -> Result<Message, StoreError> {
    let id: String = row.try_get("id")?;
    read(row, &id).map_err(|fault| match fault {
        Fault::Engine(error) => StoreError::Unavailable(error),
        Fault::Sense(why) => StoreError::Inconsistent { message_id: id, why },
    })
}

enum Fault {
    Engine(sqlx::Error),
    Sense(String),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Engine(error)
    }
}

fn sense(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    Fault::Sense(error.into().to_string())
}

fn read(row: &SqliteRow, id: &str) -> Result<Message, Fault> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let channel = text("type")?.parse().map_err(sense)?;
    let create_time = time(row.try_get("created_at")?).map_err(Fault::Sense)?;
    Ok(Message {
        id: id.to_owned(),
        organization_id: text("organization_id")?,
        request_id: text("request_id")?,
        channel,
        to: text("recipient")?,
        sender: text("sender")?,
        content: Content::restore(channel, text("body")?, &text("content")?, Vec::new()).map_err(sense)?,
        labels: serde_json::from_str(&text("labels")?).map_err(sense)?,
        route: Route {
            provider: text("provider")?,
            provider_account: text("provider_account")?,
            account_organization_id: text("account_organization_id")?,
            config_revision: row.try_get("config_revision")?,
            provider_config_version: row.try_get("provider_config_version")?,
        },
        state: state(row, create_time)?,
        events: serde_json::from_str(&text("events")?).map_err(sense)?,
        fallback_message_id: text("fallback_message_id")?,
        create_time,
        due_time: optional_time(row, "due_at")?,
        checks: row.try_get::<i64, _>("checks")?.try_into().map_err(sense)?,
    })
}

fn optional_time(row: &SqliteRow, column: &str) -> Result<Option<DateTime<Utc>>, Fault> {
    row.try_get::<Option<i64>, _>(column)?.map(time).transpose().map_err(Fault::Sense)
}

fn state(row: &SqliteRow, create_time: DateTime<Utc>) -> Result<State, Fault> {
    let status: Status = row.try_get::<String, _>("status")?.parse().map_err(sense)?;
    let provider_message_id: String = row.try_get("provider_message_id")?;
    let accept_time = optional_time(row, "accepted_at")?;
    let receipt = accept_time.map(|accept_time| Receipt { provider_message_id, accept_time });
    // Rows of the history before this one have neither receipt nor result time.
    let known = || receipt.clone().unwrap_or(Receipt { provider_message_id: String::new(), accept_time: create_time });
    let result_time = optional_time(row, "result_at")?.unwrap_or(create_time);
    Ok(match status {
        Status::Requested => State::Requested,
        Status::InDoubt => State::InDoubt,
        Status::Queued => State::Queued(known()),
        Status::Sent => State::Sent(known()),
        Status::Delivered => State::Delivered { receipt: known(), result_time },
        Status::Failed => {
            let failure = row.try_get::<Option<String>, _>("failure")?;
            let failure = match failure {
                Some(json) => serde_json::from_str(&json).map_err(sense)?,
                None => unknown_failure(),
            };
            State::Failed { receipt, failure, result_time }
        }
        Status::Unresolved => State::Unresolved(receipt),
    })
}

/// The history before this one did not say why.
fn unknown_failure() -> switchboard_providers::model::Failure {
    use switchboard_providers::model::{Failure, FailureCode};
    Failure::new(FailureCode::Unknown, "", "the reason was not recorded", false)
}

/// Reads the images of a message.
pub(super) async fn images(connection: &mut SqliteConnection, message_id: &str) -> Result<Vec<Image>, StoreError> {
    let rows = sqlx::query("SELECT width, height, data FROM message_images WHERE message_id = ?1 ORDER BY position")
        .bind(message_id)
        .fetch_all(connection)
        .await?;
    let image = |row: &SqliteRow| -> Result<Image, sqlx::Error> {
        Ok(Image::from_storage(
            Bytes::from(row.try_get::<Vec<u8>, _>("data")?),
            row.try_get("width")?,
            row.try_get("height")?,
        ))
    };
    Ok(rows.iter().map(image).collect::<Result<_, _>>()?)
}
