//! The partitions: room for the months to come is made ahead, and a month that nobody may keep is dropped as a whole.
//!
//! Both lock a table for everybody, for a moment. Who does not get that lock at once gives way and comes again at the next
//! round: whoever queues for it holds up all that come after.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Postgres, Transaction};

use crate::store::StoreError;

/// "partitio", in bytes.
const LOCK: i64 = 0x7061_7274_6974_696f;

/// Makes room for this month and the next three.
pub(super) async fn make_room(pool: &PgPool, now: DateTime<Utc>) -> Result<(), StoreError> {
    let Some(mut transaction) = alone(pool).await? else { return Ok(()) };
    let made = sqlx::query(
        "SELECT history_make_room(parent, $1 + make_interval(months => ahead)) \
         FROM unnest(ARRAY ['messages', 'provider_message_ids']) AS parent, generate_series(0, 3) AS ahead",
    )
    .bind(now)
    .execute(&mut *transaction)
    .await;
    match unless_in_use(made)? {
        Some(_) => transaction.commit().await?,
        // Awaited: whoever comes next must not find the lock still held.
        None => transaction.rollback().await?,
    }
    Ok(())
}

/// Drops the months that end before an instant; how many.
pub(super) async fn drop_expired(pool: &PgPool, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let Some(mut transaction) = alone(pool).await? else { return Ok(0) };
    let dropped = sqlx::query_as("SELECT parent, dropped FROM history_drop_expired($1)")
        .bind(before)
        .fetch_all(&mut *transaction)
        .await;
    let dropped: Vec<(String, i64)> = unless_in_use(dropped)?.unwrap_or_default();
    if dropped.iter().all(|(_, tables)| *tables == 0) {
        transaction.rollback().await?;
        return Ok(0);
    }
    // What was due so long ago, was due with a message that is gone.
    sqlx::query("DELETE FROM open_messages WHERE listed_at < $1").bind(before).execute(&mut *transaction).await?;
    transaction.commit().await?;
    let months: i64 = dropped.iter().filter(|(parent, _)| parent == "messages").map(|(_, tables)| tables).sum();
    Ok(u64::try_from(months).unwrap_or_default())
}

/// Whether a table is there.
pub(super) async fn exists(pool: &PgPool, table: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(pool).await?)
}

/// A transaction that waits for nobody; `None`: another replica is at it.
async fn alone(pool: &PgPool) -> Result<Option<Transaction<'static, Postgres>>, StoreError> {
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql("SET LOCAL lock_timeout = '200ms'").execute(&mut *transaction).await?;
    let alone: bool =
        sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)").bind(LOCK).fetch_one(&mut *transaction).await?;
    Ok(alone.then_some(transaction))
}

/// What was done; `None`: a lock was not to be had at once.
fn unless_in_use<T>(done: Result<T, sqlx::Error>) -> Result<Option<T>, StoreError> {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    match done {
        Ok(done) => Ok(Some(done)),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(LOCK_NOT_AVAILABLE) => {
            tracing::info!("the history's partitions are in use and are changed later");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
