//! Parked reports whose message is known by now after all.
//!
//! One replica can park a report in the very moment in which another stores what the vendor called the message: neither
//! sees what the other has not committed yet. Both are committed a moment later, and are brought together here.

use sqlx::PgPool;

use crate::store::StoreError;

pub(super) const MET: &str = "SELECT event_key, body FROM parked_updates p WHERE EXISTS (SELECT FROM provider_message_ids i \
    WHERE i.provider_message_id = p.provider_message_id AND i.provider = p.provider) \
    ORDER BY parked_at LIMIT $1";

/// Some of them as they are stored, each with the key under which it is parked, in the order in which they came.
pub(super) async fn met(pool: &PgPool, batch: u32) -> Result<Vec<(String, String)>, StoreError> {
    Ok(sqlx::query_as(MET).bind(i64::from(batch)).fetch_all(pool).await?)
}

/// Takes one out of the park.
pub(super) async fn unpark(pool: &PgPool, event_key: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM parked_updates WHERE event_key = $1").bind(event_key).execute(pool).await?;
    Ok(())
}
