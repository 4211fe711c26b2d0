//! Forgetting what need not be kept any longer.

use sqlx::{SqliteConnection, SqlitePool};

use super::row::micros;
use crate::store::{Forgotten, StoreError, Terms};

const BLANK: &str = "UPDATE messages SET body = '', content = '' WHERE id IN \
    (SELECT id FROM messages WHERE (body <> '' OR content <> '') AND created_at < ?1 ORDER BY created_at LIMIT ?2) \
    RETURNING id";

const DROP: &str = "DELETE FROM messages WHERE id IN \
    (SELECT id FROM messages WHERE body = '' AND content = '' AND created_at < ?1 ORDER BY created_at LIMIT ?2)";

const DROP_REQUEST_IDS: &str = "DELETE FROM request_ids WHERE (organization_id, request_id) IN \
    (SELECT organization_id, request_id FROM request_ids WHERE created_at < ?1 ORDER BY created_at LIMIT ?2)";

const DROP_PARKED: &str = "DELETE FROM parked_updates WHERE event_key IN \
    (SELECT event_key FROM parked_updates WHERE parked_at < ?1 ORDER BY parked_at LIMIT ?2)";

const DROP_QUARANTINED: &str = "DELETE FROM quarantined_events WHERE id IN \
    (SELECT id FROM quarantined_events WHERE first_at < ?1 ORDER BY first_at, id LIMIT ?2)";

/// One small batch of each kind, each in a transaction of its own: the one writer has others waiting.
pub(super) async fn tidy(pool: &SqlitePool, terms: &Terms, batch: u32) -> Result<Forgotten, StoreError> {
    let texts = blank(pool, terms, batch).await?;
    let mut connection = pool.acquire().await?;
    sqlx::query("DELETE FROM refused_updates WHERE last_at < ?1")
        .bind(micros(terms.messages))
        .execute(&mut *connection)
        .await?;
    Ok(Forgotten {
        texts,
        messages: delete(&mut connection, DROP, micros(terms.messages), batch).await?,
        request_ids: delete(&mut connection, DROP_REQUEST_IDS, micros(terms.request_ids), batch).await?,
        parked: delete(&mut connection, DROP_PARKED, micros(terms.parked), batch).await?,
        quarantined: delete(&mut connection, DROP_QUARANTINED, micros(terms.quarantined), batch).await?,
        ..Forgotten::default()
    })
}

async fn blank(pool: &SqlitePool, terms: &Terms, batch: u32) -> Result<u64, StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let ids: Vec<String> =
        sqlx::query_scalar(BLANK).bind(micros(terms.texts)).bind(batch).fetch_all(&mut *transaction).await?;
    for id in &ids {
        sqlx::query("DELETE FROM message_images WHERE message_id = ?1").bind(id).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(ids.len() as u64)
}

async fn delete(
    connection: &mut SqliteConnection,
    sql: &'static str,
    before: i64,
    batch: u32,
) -> Result<u64, StoreError> {
    Ok(sqlx::query(sql).bind(before).bind(batch).execute(connection).await?.rows_affected())
}
