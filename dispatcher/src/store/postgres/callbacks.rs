//! What callbacks bring that cannot simply be applied.

use chrono::{DateTime, Utc};
use sqlx::{PgPool, Postgres, QueryBuilder, Row as _, postgres::PgRow};

use crate::store::{
    Noted, QuarantineQuery, Quarantined, Refusal, Room, Signer, StoreError, Unreadable,
    callbacks::{counted, organizations, together},
    stored::json,
};

const KEEP: &str = "INSERT INTO quarantined_events \
    (id, digest, provider, provider_account, organization_ids, reason, raw, seen, first_at, last_at) \
    SELECT c1, c2, c3, c4, c5, c6, c7, c8, $9, $9 FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], \
    $6::text[], $7::bytea[], $8::bigint[]) AS u (c1, c2, c3, c4, c5, c6, c7, c8) \
    ON CONFLICT (digest) DO UPDATE SET seen = quarantined_events.seen + excluded.seen, \
    last_at = greatest(quarantined_events.last_at, excluded.last_at) RETURNING xmax = 0";

/// What an account has in quarantine.
const FILLED: &str = "SELECT count(*), coalesce(sum(octet_length(raw)), 0)::bigint FROM quarantined_events \
    WHERE provider = $1 AND provider_account = $2";

const QUARANTINED: &str = "SELECT id, provider, provider_account, organization_ids, reason, raw, seen, first_at, last_at \
    FROM quarantined_events";

const NOTE: &str = "INSERT INTO refused_updates \
    (provider, provider_account, organization_ids, target, message_id, seen, first_at, last_at) \
    SELECT c1, c2, c3, c4, c5, c6, $7, $7 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], \
    $6::bigint[]) AS u (c1, c2, c3, c4, c5, c6) \
    ON CONFLICT (provider, provider_account, organization_ids, target) DO UPDATE SET message_id = excluded.message_id, \
    seen = refused_updates.seen + excluded.seen, last_at = greatest(refused_updates.last_at, excluded.last_at)";

pub(super) async fn set_aside(
    pool: &PgPool,
    events: Vec<(String, Unreadable)>,
    room: Room,
    at: DateTime<Utc>,
) -> Result<Option<u32>, StoreError> {
    let events = together(events);
    let signer = |(_, event, _): &(String, Unreadable, i64)| event.signer.clone();
    let signers: Vec<Signer> = events.values().map(signer).collect();
    let mut transaction = pool.begin().await?;
    let added: Vec<bool> = sqlx::query_scalar(KEEP)
        .bind(events.values().map(|(id, ..)| id.as_str()).collect::<Vec<_>>())
        .bind(events.keys().map(Vec::as_slice).collect::<Vec<_>>())
        .bind(signers.iter().map(|signer| signer.provider.as_str()).collect::<Vec<_>>())
        .bind(signers.iter().map(|signer| signer.provider_account.as_str()).collect::<Vec<_>>())
        .bind(signers.iter().map(|signer| json(&signer.organization_ids)).collect::<Vec<_>>())
        .bind(events.values().map(|(_, event, _)| event.reason.as_str()).collect::<Vec<_>>())
        .bind(events.values().map(|(_, event, _)| event.raw.as_slice()).collect::<Vec<_>>())
        .bind(events.values().map(|(.., times)| *times).collect::<Vec<_>>())
        .bind(at)
        .fetch_all(&mut *transaction)
        .await?;
    let added = added.into_iter().filter(|added| *added).count();
    if added > 0 {
        let mut accounts: Vec<_> =
            signers.into_iter().map(|signer| (signer.provider, signer.provider_account)).collect();
        accounts.dedup();
        for (provider, account) in accounts {
            let (count, bytes): (i64, i64) =
                sqlx::query_as(FILLED).bind(provider).bind(account).fetch_one(&mut *transaction).await?;
            if room.is_exceeded(count, bytes) {
                transaction.rollback().await?;
                return Ok(None);
            }
        }
    }
    transaction.commit().await?;
    Ok(Some(u32::try_from(added).unwrap_or(u32::MAX)))
}

pub(super) async fn quarantined(pool: &PgPool, query: &QuarantineQuery) -> Result<Vec<Quarantined>, StoreError> {
    let mut sql = QueryBuilder::<Postgres>::new(QUARANTINED);
    sql.push(" WHERE true");
    if let Some(organization_id) = &query.organization_id {
        sql.push(" AND organization_ids::jsonb ? ").push_bind(organization_id.clone());
    }
    if let Some(provider) = &query.provider {
        sql.push(" AND provider = ").push_bind(provider.clone());
    }
    if let Some((time, id)) = &query.after {
        sql.push(" AND (first_at, id) > (").push_bind(*time).push(", ").push_bind(id.clone()).push(")");
    }
    sql.push(" ORDER BY first_at, id LIMIT ").push_bind(i64::from(query.limit));
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter().map(event).collect()
}

pub(super) async fn by_id(pool: &PgPool, ids: &[String]) -> Result<Vec<Quarantined>, StoreError> {
    let mut sql = QueryBuilder::<Postgres>::new(QUARANTINED);
    sql.push(" WHERE id = ANY(").push_bind(ids).push(")");
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter().map(event).collect()
}

fn event(row: &PgRow) -> Result<Quarantined, StoreError> {
    let signer = Signer {
        provider: row.try_get(1)?,
        provider_account: row.try_get(2)?,
        organization_ids: organizations(row.try_get(3)?)?,
    };
    Ok(Quarantined {
        id: row.try_get(0)?,
        event: Unreadable { signer, reason: row.try_get(4)?, raw: row.try_get(5)? },
        seen: row.try_get::<i64, _>(6)?.unsigned_abs(),
        first_time: row.try_get(7)?,
        last_time: row.try_get(8)?,
    })
}

pub(super) async fn release(pool: &PgPool, id: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM quarantined_events WHERE id = $1").bind(id).execute(pool).await?;
    Ok(())
}

pub(super) async fn note_refusals(pool: &PgPool, refusals: Vec<Refusal>, at: DateTime<Utc>) -> Result<(), StoreError> {
    let refusals = counted(refusals);
    sqlx::query(NOTE)
        .bind(refusals.keys().map(|(signer, _)| signer.provider.as_str()).collect::<Vec<_>>())
        .bind(refusals.keys().map(|(signer, _)| signer.provider_account.as_str()).collect::<Vec<_>>())
        .bind(refusals.keys().map(|(signer, _)| json(&signer.organization_ids)).collect::<Vec<_>>())
        .bind(refusals.keys().map(|(_, target)| target.as_str()).collect::<Vec<_>>())
        .bind(refusals.values().map(|(message_id, _)| message_id.as_str()).collect::<Vec<_>>())
        .bind(refusals.values().map(|(_, times)| *times).collect::<Vec<_>>())
        .bind(at)
        .execute(pool)
        .await?;
    Ok(())
}

pub(super) async fn refusals(pool: &PgPool, limit: u32) -> Result<Vec<Noted>, StoreError> {
    let rows = sqlx::query(
        "SELECT provider, provider_account, organization_ids, target, message_id, seen, first_at, last_at \
         FROM refused_updates ORDER BY last_at DESC LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let noted = |row: &PgRow| -> Result<Noted, StoreError> {
        let signer = Signer {
            provider: row.try_get(0)?,
            provider_account: row.try_get(1)?,
            organization_ids: organizations(row.try_get(2)?)?,
        };
        Ok(Noted {
            refusal: Refusal { signer, target: row.try_get(3)?, message_id: row.try_get(4)? },
            seen: row.try_get::<i64, _>(5)?.unsigned_abs(),
            first_time: row.try_get(6)?,
            last_time: row.try_get(7)?,
        })
    };
    rows.iter().map(noted).collect()
}
