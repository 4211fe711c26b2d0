//! Positions, changes, entries, snapshots.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};

use super::{ONE_MOMENT, PostgresStore};
use crate::{
    audit::{Draft, ORIGIN},
    organizations::{DEFAULT, DEFAULT_NAME},
    store::{
        Change, ChangeRecord, Establishment, Position, Result, SealedEntry, Snapshot, SnapshotScope, Standing,
        WatchStore,
        records::search_text,
        rows::{self, Columns as _},
    },
};

const POSITION: &str = "SELECT epoch, revision AS current_revision, retained_after FROM meta";

#[async_trait]
impl WatchStore for PostgresStore {
    async fn establish(&self, establishment: &Establishment) -> Result<Standing> {
        let made = sqlx::query(
            "INSERT INTO meta (singleton, epoch, revision, retained_after, organization_count, audit_count, audit_hash,
                               key_ring, key_floor)
             VALUES (1, $1, 0, 0, 0, 0, $2, $3, 1) ON CONFLICT DO NOTHING",
        )
        .bind(&establishment.epoch)
        .bind(&ORIGIN[..])
        .bind(&establishment.key_ring)
        .execute(&self.pool)
        .await?;
        tracing::debug!(made = made.rows_affected(), "store established");
        let mut writing = self.write().await?;
        let standing = Standing { key_ring: writing.meta.key_ring.clone(), key_floor: writing.meta.key_floor };
        let at = establishment.event.at;
        let added = sqlx::query(
            "INSERT INTO organizations (organization_id, name, search, version, revision, create_time, update_time)
             VALUES ($1, $2, $3, 1, $4, $5, $5) ON CONFLICT DO NOTHING",
        )
        .bind(DEFAULT)
        .bind(DEFAULT_NAME)
        .bind(search_text(DEFAULT, DEFAULT_NAME))
        .bind(writing.revision())
        .bind(at)
        .execute(writing.connection())
        .await?;
        if added.rows_affected() > 0 {
            writing.meta.organization_count += 1;
            let change = Change { event: establishment.event.clone(), dry_run: false };
            writing.changed(DEFAULT, change, ()).await?;
        }
        Ok(standing)
    }

    async fn position(&self) -> Result<Position> {
        rows::position(&sqlx::query(POSITION).fetch_one(&self.pool).await?)
    }

    async fn changes_after(&self, revision: i64, limit: u32) -> Result<Vec<ChangeRecord>> {
        let rows = sqlx::query(
            "SELECT revision, organization_id, commit_time FROM changes WHERE revision > $1 ORDER BY revision LIMIT $2",
        )
        .bind(revision)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(rows::change).collect()
    }

    async fn entry(&self, organization_id: &str) -> Result<(Option<SealedEntry>, Position)> {
        let rows = sqlx::query(
            "SELECT m.epoch, m.revision AS current_revision, m.retained_after, o.organization_id, o.revision,
                    o.provider AS primary_provider, o.routing, o.routing_version, o.routing_update_time,
                    c.provider, c.provider_account, c.fields, c.version, c.sealed, c.wrapped_key, c.key_version,
                    c.create_time, c.update_time
             FROM meta m
             LEFT JOIN organizations o ON o.organization_id = $1
             LEFT JOIN provider_configs c ON c.organization_id = o.organization_id
             ORDER BY c.provider",
        )
        .bind(organization_id)
        .fetch_all(&self.pool)
        .await?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let position = rows::position(first)?;
        if first.is_null("organization_id")? {
            return Ok((None, position));
        }
        Ok((rows::entries(&rows)?.pop(), position))
    }

    async fn snapshot(&self, scope: SnapshotScope) -> Result<Box<dyn Snapshot>> {
        let mut tx = self.pool.begin_with(ONE_MOMENT).await?;
        // The first read fixes the moment.
        let position = rows::position(&sqlx::query(POSITION).fetch_one(&mut *tx).await?)?;
        let count = match scope {
            SnapshotScope::All => "SELECT organization_count FROM meta",
            SnapshotScope::WithAccounts => "SELECT count(DISTINCT organization_id) FROM provider_configs",
        };
        let count = sqlx::query_scalar(count).fetch_one(&mut *tx).await?;
        Ok(Box::new(PostgresSnapshot { tx, scope, position, count, after: String::new() }))
    }

    async fn forget_changes(&self, cutoff: DateTime<Utc>, limit: u32) -> Result<u64> {
        let mut writing = self.write().await?;
        let last: Option<i64> = sqlx::query_scalar(
            "SELECT max(revision) FROM (
                 SELECT revision FROM changes WHERE commit_time < $1 ORDER BY revision LIMIT $2) old",
        )
        .bind(cutoff)
        .bind(i64::from(limit))
        .fetch_one(writing.connection())
        .await?;
        let Some(last) = last else { return Ok(0) };
        let forgotten =
            sqlx::query("DELETE FROM changes WHERE revision <= $1").bind(last).execute(writing.connection()).await?;
        writing.meta.retained_after = writing.meta.retained_after.max(last);
        writing.commit().await?;
        Ok(forgotten.rows_affected())
    }

    async fn begin_epoch(&self, seen: &str, epoch: &str, event: Draft) -> Result<String> {
        let mut writing = self.write().await?;
        if writing.meta.epoch != seen {
            return Ok(writing.meta.epoch.clone());
        }
        epoch.clone_into(&mut writing.meta.epoch);
        writing.append(event, 0).await?;
        writing.commit().await?;
        Ok(epoch.to_owned())
    }
}

/// A read transaction, held for as long as the snapshot is read.
struct PostgresSnapshot {
    tx: Transaction<'static, Postgres>,
    scope: SnapshotScope,
    position: Position,
    count: i64,
    after: String,
}

#[async_trait]
impl Snapshot for PostgresSnapshot {
    fn position(&self) -> &Position {
        &self.position
    }

    fn count(&self) -> i64 {
        self.count
    }

    async fn next(&mut self, limit: u32) -> Result<Vec<SealedEntry>> {
        let page = match self.scope {
            SnapshotScope::All => {
                "SELECT o.organization_id, o.revision, o.provider AS primary_provider, o.routing, o.routing_version,
                        o.routing_update_time, c.provider, c.provider_account, c.fields, c.version, c.sealed,
                        c.wrapped_key, c.key_version, c.create_time, c.update_time
                 FROM (SELECT * FROM organizations WHERE organization_id > $1 ORDER BY organization_id LIMIT $2) o
                 LEFT JOIN provider_configs c ON c.organization_id = o.organization_id
                 ORDER BY o.organization_id, c.provider"
            }
            SnapshotScope::WithAccounts => {
                "SELECT o.organization_id, o.revision, o.provider AS primary_provider, o.routing, o.routing_version,
                        o.routing_update_time, c.provider, c.provider_account, c.fields, c.version, c.sealed,
                        c.wrapped_key, c.key_version, c.create_time, c.update_time
                 FROM (SELECT DISTINCT organization_id FROM provider_configs WHERE organization_id > $1
                       ORDER BY organization_id LIMIT $2) page
                 JOIN organizations o ON o.organization_id = page.organization_id
                 JOIN provider_configs c ON c.organization_id = o.organization_id
                 ORDER BY o.organization_id, c.provider"
            }
        };
        let rows = sqlx::query(page).bind(&self.after).bind(i64::from(limit)).fetch_all(&mut *self.tx).await?;
        let entries = rows::entries(&rows)?;
        if let Some(last) = entries.last() {
            self.after.clone_from(&last.organization_id);
        }
        Ok(entries)
    }
}
