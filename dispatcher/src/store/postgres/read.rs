//! Reading messages.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row as _};

use super::{
    listing::Listed,
    row::{complete, message as from_row},
    window::Window,
};
use crate::{
    message::Message,
    store::{Fingerprint, StoreError, stored::columns},
};

const MESSAGE: &str =
    concat!("SELECT ", columns!(), " FROM messages WHERE id = $1 AND created_at >= $2 AND created_at <= $3");

/// One message, with its images.
pub(super) async fn message(pool: &PgPool, message_id: &str) -> Result<Option<Message>, StoreError> {
    let mut connection = pool.acquire().await?;
    for window in windows(message_id) {
        let row = sqlx::query(MESSAGE)
            .bind(message_id)
            .bind(window.from)
            .bind(window.until)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(row) = row {
            let mut message = from_row(&row)?;
            complete(&mut connection, &mut message).await?;
            return Ok(Some(message));
        }
    }
    Ok(None)
}

/// Where to look for a message: where its id says, then everywhere.
fn windows(message_id: &str) -> impl Iterator<Item = Window> {
    let first = Window::of(message_id);
    std::iter::once(first).chain((first != Window::open()).then(Window::open))
}

/// Where to look for a message, and under which id.
pub(super) type Place = (String, Window);

/// Messages of these tables by their ids, each with its place in the list of what must be looked after.
pub(super) fn reading(messages: &str) -> String {
    let columns = columns!();
    format!(
        "SELECT {columns}, listed_at FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) \
         AS wanted (wanted_id, since, till) \
         JOIN {messages} AS m ON id = wanted_id AND created_at >= since AND created_at <= till"
    )
}

/// In whichever month they are.
static UNLOCKED: LazyLock<Arc<str>> = LazyLock::new(|| reading("messages").into());

/// In the order of their ids, so that two replicas never lock rows crosswise.
pub(super) static LOCKED: LazyLock<Arc<str>> =
    LazyLock::new(|| format!("{} ORDER BY id FOR NO KEY UPDATE OF m", reading("messages")).into());

/// Messages, locked until the transaction ends, without their images.
pub(super) async fn locked(
    connection: &mut PgConnection,
    places: Vec<Place>,
) -> Result<HashMap<String, Listed>, StoreError> {
    find(connection, &LOCKED, &LOCKED, places).await
}

/// Messages as they stand, without their images.
pub(super) async fn unlocked(
    connection: &mut PgConnection,
    places: Vec<Place>,
) -> Result<HashMap<String, Listed>, StoreError> {
    find(connection, &UNLOCKED, &UNLOCKED, places).await
}

/// The same, where all should be of one month: by the statement that reads that month.
pub(super) async fn unlocked_of(
    connection: &mut PgConnection,
    month: &Arc<str>,
    places: Vec<Place>,
) -> Result<HashMap<String, Listed>, StoreError> {
    find(connection, month, &UNLOCKED, places).await
}

/// What is not where it is looked for is looked for everywhere; what does not exist is left out.
async fn find(
    connection: &mut PgConnection,
    first: &Arc<str>,
    everywhere: &Arc<str>,
    mut places: Vec<Place>,
) -> Result<HashMap<String, Listed>, StoreError> {
    let mut found = HashMap::with_capacity(places.len());
    places.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    places.dedup_by(|a, b| a.0 == b.0);
    let mut sql = first;
    while !places.is_empty() {
        found.extend(read(connection, sql, &places).await?);
        places.retain(|(id, window)| *window != Window::open() && !found.contains_key(id));
        places.iter_mut().for_each(|(_, window)| *window = Window::open());
        sql = everywhere;
    }
    Ok(found)
}

async fn read(
    connection: &mut PgConnection,
    sql: &Arc<str>,
    places: &[Place],
) -> Result<HashMap<String, Listed>, StoreError> {
    let ids: Vec<&str> = places.iter().map(|(id, _)| id.as_str()).collect();
    let from: Vec<DateTime<Utc>> = places.iter().map(|(_, window)| window.from).collect();
    let until: Vec<DateTime<Utc>> = places.iter().map(|(_, window)| window.until).collect();
    let reading = sqlx::query(AssertSqlSafe(Arc::clone(sql))).bind(ids).bind(from).bind(until);
    let mut found = HashMap::with_capacity(places.len());
    for row in &reading.fetch_all(connection).await? {
        let message = from_row(row)?;
        found.insert(message.id.clone(), Listed { message, at: row.try_get("listed_at")? });
    }
    Ok(found)
}

/// The message that a request id made, with its images.
pub(super) async fn by_request_id(
    pool: &PgPool,
    organization_id: &str,
    request_id: &str,
) -> Result<Option<(Message, Fingerprint)>, StoreError> {
    let row =
        sqlx::query("SELECT message_id, fingerprint FROM request_ids WHERE organization_id = $1 AND request_id = $2")
            .bind(organization_id)
            .bind(request_id)
            .fetch_optional(pool)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let message_id: String = row.try_get(0)?;
    let fingerprint = fingerprint(&message_id, row.try_get(1)?)?;
    match message(pool, &message_id).await? {
        Some(message) => Ok(Some((message, fingerprint))),
        None => Err(lost(message_id)),
    }
}

/// A fingerprint as it is stored.
pub(super) fn fingerprint(message_id: &str, bytes: Vec<u8>) -> Result<Fingerprint, StoreError> {
    Fingerprint::try_from(bytes).map_err(|_| StoreError::Inconsistent {
        message_id: message_id.to_owned(),
        why: "its request's fingerprint does not have 32 bytes".to_owned(),
    })
}

/// A request without its message.
pub(super) fn lost(message_id: String) -> StoreError {
    StoreError::Inconsistent { message_id, why: "its request is known, it is not".to_owned() }
}
