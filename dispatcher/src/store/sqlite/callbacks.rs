//! What callbacks bring that cannot simply be applied.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqlitePool, sqlite::SqliteRow};

use super::row::{instant, micros};
use crate::store::{
    Noted, QuarantineQuery, Quarantined, Refusal, Room, Signer, StoreError, Unreadable,
    callbacks::{counted, organizations, together},
    stored::json,
};

const KEEP: &str = "INSERT INTO quarantined_events \
    (id, digest, provider, provider_account, organization_ids, reason, raw, seen, first_at, last_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9) \
    ON CONFLICT (digest) DO UPDATE SET seen = seen + excluded.seen, last_at = max(last_at, excluded.last_at) RETURNING seen";

/// What an account has in quarantine.
const FILLED: &str = "SELECT COUNT(*), COALESCE(SUM(LENGTH(raw)), 0) FROM quarantined_events \
    WHERE provider = ?1 AND provider_account = ?2";

const QUARANTINED: &str = "SELECT id, provider, provider_account, organization_ids, reason, raw, seen, first_at, last_at \
    FROM quarantined_events";

const NOTE: &str = "INSERT INTO refused_updates \
    (provider, provider_account, organization_ids, target, message_id, seen, first_at, last_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) \
    ON CONFLICT (provider, provider_account, organization_ids, target) DO UPDATE SET message_id = excluded.message_id, \
    seen = seen + excluded.seen, last_at = max(last_at, excluded.last_at)";

pub(super) async fn set_aside(
    pool: &SqlitePool,
    events: Vec<(String, Unreadable)>,
    room: Room,
    at: DateTime<Utc>,
) -> Result<Option<u32>, StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut added = 0;
    let mut accounts = BTreeSet::new();
    for (digest, (id, event, times)) in together(events) {
        let seen: i64 = sqlx::query_scalar(KEEP)
            .bind(&id)
            .bind(digest)
            .bind(&event.signer.provider)
            .bind(&event.signer.provider_account)
            .bind(json(&event.signer.organization_ids))
            .bind(&event.reason)
            .bind(&event.raw)
            .bind(times)
            .bind(micros(at))
            .fetch_one(&mut *transaction)
            .await?;
        if seen == times {
            added += 1;
            accounts.insert((event.signer.provider, event.signer.provider_account));
        }
    }
    for (provider, account) in accounts {
        let (count, bytes): (i64, i64) =
            sqlx::query_as(FILLED).bind(provider).bind(account).fetch_one(&mut *transaction).await?;
        if room.is_exceeded(count, bytes) {
            transaction.rollback().await?;
            return Ok(None);
        }
    }
    transaction.commit().await?;
    Ok(Some(added))
}

pub(super) async fn quarantined(pool: &SqlitePool, query: &QuarantineQuery) -> Result<Vec<Quarantined>, StoreError> {
    let mut sql = QueryBuilder::<Sqlite>::new(QUARANTINED);
    sql.push(" WHERE true");
    if let Some(organization_id) = &query.organization_id {
        sql.push(" AND EXISTS (SELECT 1 FROM json_each(organization_ids) WHERE value = ")
            .push_bind(organization_id.clone())
            .push(")");
    }
    if let Some(provider) = &query.provider {
        sql.push(" AND provider = ").push_bind(provider.clone());
    }
    if let Some((time, id)) = &query.after {
        sql.push(" AND (first_at, id) > (").push_bind(micros(*time)).push(", ").push_bind(id.clone()).push(")");
    }
    sql.push(" ORDER BY first_at, id LIMIT ").push_bind(query.limit);
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter().map(event).collect()
}

pub(super) async fn by_id(pool: &SqlitePool, ids: &[String]) -> Result<Vec<Quarantined>, StoreError> {
    let mut sql = QueryBuilder::<Sqlite>::new(QUARANTINED);
    sql.push(" WHERE id IN (SELECT value FROM json_each(").push_bind(json(&ids)).push("))");
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter().map(event).collect()
}

fn event(row: &SqliteRow) -> Result<Quarantined, StoreError> {
    let signer = Signer {
        provider: row.try_get(1)?,
        provider_account: row.try_get(2)?,
        organization_ids: organizations(row.try_get(3)?)?,
    };
    Ok(Quarantined {
        id: row.try_get(0)?,
        event: Unreadable { signer, reason: row.try_get(4)?, raw: row.try_get(5)? },
        seen: row.try_get::<i64, _>(6)?.unsigned_abs(),
        first_time: instant(row.try_get(7)?, "")?,
        last_time: instant(row.try_get(8)?, "")?,
    })
}

pub(super) async fn release(pool: &SqlitePool, id: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM quarantined_events WHERE id = ?1").bind(id).execute(pool).await?;
    Ok(())
}

pub(super) async fn note_refusals(
    pool: &SqlitePool,
    refusals: Vec<Refusal>,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for ((signer, target), (message_id, times)) in counted(refusals) {
        sqlx::query(NOTE)
            .bind(signer.provider)
            .bind(signer.provider_account)
            .bind(json(&signer.organization_ids))
            .bind(target)
            .bind(message_id)
            .bind(times)
            .bind(micros(at))
            .execute(&mut *transaction)
            .await?;
    }
    Ok(transaction.commit().await?)
}

pub(super) async fn refusals(pool: &SqlitePool, limit: u32) -> Result<Vec<Noted>, StoreError> {
    let rows = sqlx::query(
        "SELECT provider, provider_account, organization_ids, target, message_id, seen, first_at, last_at \
         FROM refused_updates ORDER BY last_at DESC LIMIT ?1",
    )
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let noted = |row: &SqliteRow| -> Result<Noted, StoreError> {
        let signer = Signer {
            provider: row.try_get(0)?,
            provider_account: row.try_get(1)?,
            organization_ids: organizations(row.try_get(2)?)?,
        };
        Ok(Noted {
            refusal: Refusal { signer, target: row.try_get(3)?, message_id: row.try_get(4)? },
            seen: row.try_get::<i64, _>(5)?.unsigned_abs(),
            first_time: instant(row.try_get(6)?, "")?,
            last_time: instant(row.try_get(7)?, "")?,
        })
    };
    rows.iter().map(noted).collect()
}
