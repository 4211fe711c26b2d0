//! Rows ⇄ messages.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};
use switchboard_providers::model::Image;

use crate::{
    message::Message,
    store::{
        StoreError,
        stored::{Stored, columns},
    },
};

/// Every column of a message, as [`message`] expects them.
pub(super) const COLUMNS: &str = columns!();

/// An instant as it is stored.
pub(super) fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// An instant that was stored with a message (empty: with something else).
pub(super) fn instant(micros: i64, message_id: &str) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| StoreError::Inconsistent {
        message_id: message_id.to_owned(),
        why: format!("{micros} is no time"),
    })
}

/// Reads one row. Images are not read: they are wanted only where a message is sent again.
pub(super) fn message(row: &SqliteRow) -> Result<Message, StoreError> {
    let id: String = row.try_get("id")?;
    let time = |micros: i64| instant(micros, &id);
    let optional_time = |column: &str| row.try_get::<Option<i64>, _>(column)?.map(time).transpose();
    let stored = Stored {
        organization_id: row.try_get("organization_id")?,
        channel: row.try_get("type")?,
        recipient: row.try_get("recipient")?,
        sender: row.try_get("sender")?,
        body: row.try_get("body")?,
        status: row.try_get("status")?,
        created_at: time(row.try_get("created_at")?)?,
        provider: row.try_get("provider")?,
        provider_account: row.try_get("provider_account")?,
        account_organization_id: row.try_get("account_organization_id")?,
        config_revision: row.try_get("config_revision")?,
        provider_config_version: row.try_get("provider_config_version")?,
        provider_message_id: row.try_get("provider_message_id")?,
        request_id: row.try_get("request_id")?,
        labels: row.try_get("labels")?,
        content: row.try_get("content")?,
        events: row.try_get("events")?,
        failure: row.try_get("failure")?,
        fallback_message_id: row.try_get("fallback_message_id")?,
        accepted_at: optional_time("accepted_at")?,
        result_at: optional_time("result_at")?,
        due_at: optional_time("due_at")?,
        checks: row.try_get("checks")?,
        id,
    };
    stored.into_message()
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
