//! Rows → messages.

use bytes::Bytes;
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use switchboard_providers::model::Image;

use crate::{
    message::{Content, Message},
    store::{StoreError, stored::Stored},
};

/// Reads one row that begins with `columns!()`. By place, since names cost a look-up each.
pub(super) fn message(row: &PgRow) -> Result<Message, StoreError> {
    let stored = Stored {
        id: row.try_get(0)?,
        organization_id: row.try_get(1)?,
        channel: row.try_get(2)?,
        recipient: row.try_get(3)?,
        sender: row.try_get(4)?,
        body: row.try_get(5)?,
        status: row.try_get(6)?,
        created_at: row.try_get(7)?,
        provider: row.try_get(8)?,
        provider_account: row.try_get(9)?,
        account_organization_id: row.try_get(10)?,
        config_revision: row.try_get(11)?,
        provider_config_version: row.try_get(12)?,
        provider_message_id: row.try_get(13)?,
        request_id: row.try_get(14)?,
        labels: row.try_get(15)?,
        content: row.try_get(16)?,
        events: row.try_get(17)?,
        failure: row.try_get(18)?,
        fallback_message_id: row.try_get(19)?,
        accepted_at: row.try_get(20)?,
        result_at: row.try_get(21)?,
        due_at: row.try_get(22)?,
        checks: row.try_get(23)?,
    };
    stored.into_message()
}

/// Several rows.
pub(super) fn messages(rows: &[PgRow]) -> Result<Vec<Message>, StoreError> {
    rows.iter().map(message).collect()
}

/// Adds the images of an MMS that is still open.
pub(super) async fn complete(connection: &mut PgConnection, message: &mut Message) -> Result<(), StoreError> {
    let Content::Mms(mms) = &mut message.content else { return Ok(()) };
    let rows = sqlx::query("SELECT width, height, data FROM message_images WHERE message_id = $1 ORDER BY position")
        .bind(&message.id)
        .fetch_all(connection)
        .await?;
    let image = |row: &PgRow| -> Result<Image, sqlx::Error> {
        let size = |place: usize| {
            let pixels = row.try_get::<i64, _>(place)?;
            u32::try_from(pixels).map_err(|error| sqlx::Error::Decode(error.into()))
        };
        Ok(Image::from_storage(Bytes::from(row.try_get::<Vec<u8>, _>(2)?), size(0)?, size(1)?))
    };
    mms.images = rows.iter().map(image).collect::<Result<_, _>>()?;
    Ok(())
}
