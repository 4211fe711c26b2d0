//! Positions, changes, entries, snapshots.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    Engine, SqlStore, Transaction, one,
    rows::{self, Columns as _},
    statement::sql,
};
use crate::{
    audit::{Draft, ORIGIN},
    organizations::{DEFAULT, DEFAULT_NAME},
    store::{
        Change, ChangeRecord, Establishment, Position, Result, SealedEntry, Snapshot, SnapshotScope, Standing,
        WatchStore,
    },
};

const POSITION: &str = "SELECT epoch, revision AS current_revision, retained_after FROM meta";

#[async_trait]
impl<E: Engine> WatchStore for SqlStore<E> {
    async fn establish(&self, establishment: &Establishment) -> Result<Standing> {
        let mut tx = self.engine.write().await?;
        let meta = sql("INSERT INTO meta (singleton, epoch, revision, retained_after, organization_count, audit_count,
                                          audit_hash, key_ring, key_floor)
                        VALUES (1, $1, 0, 0, 0, 0, $2, $3, 1) ON CONFLICT DO NOTHING");
        tx.execute(meta.bind(&establishment.epoch).bind(&ORIGIN[..]).bind(&establishment.key_ring)).await?;
        let mut writing = self.lock(tx).await?;
        let standing = Standing { key_ring: writing.meta.key_ring.clone(), key_floor: writing.meta.key_floor };
        if writing.add_organization(DEFAULT, DEFAULT_NAME, establishment.event.at).await? {
            let change = Change { event: establishment.event.clone(), dry_run: false };
            writing.changed(DEFAULT, change, ()).await?;
        }
        Ok(standing)
    }

    async fn position(&self) -> Result<Position> {
        rows::position(&one(self.engine.rows(sql(POSITION)).await?)?)
    }

    async fn changes_after(&self, revision: i64, limit: u32) -> Result<Vec<ChangeRecord>> {
        let changes = sql("SELECT revision, organization_id, commit_time FROM changes
                           WHERE revision > $1 ORDER BY revision LIMIT $2");
        self.engine.rows(changes.bind(revision).bind(limit)).await?.iter().map(rows::change).collect()
    }

    async fn entry(&self, organization_id: &str) -> Result<(Option<SealedEntry>, Position)> {
        let entry =
            sql("SELECT m.epoch, m.revision AS current_revision, m.retained_after, o.organization_id, o.revision,
                                o.provider AS primary_provider, o.routing, o.routing_version, o.routing_update_time,
                                c.provider, c.provider_account, c.fields, c.version, c.sealed, c.wrapped_key,
                                c.key_version, c.create_time, c.update_time
                         FROM meta m
                         LEFT JOIN organizations o ON o.organization_id = $1
                         LEFT JOIN provider_configs c ON c.organization_id = o.organization_id
                         ORDER BY c.provider");
        let rows = self.engine.rows(entry.bind(organization_id)).await?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let position = rows::position(first)?;
        if first.is_null("organization_id")? {
            return Ok((None, position));
        }
        Ok((rows::entries(&rows)?.pop(), position))
    }

    async fn snapshot(&self, scope: SnapshotScope) -> Result<Box<dyn Snapshot>> {
        let mut tx = self.engine.read().await?;
        // The first read fixes the moment.
        let position = rows::position(&one(tx.rows(sql(POSITION)).await?)?)?;
        let count = match scope {
            SnapshotScope::All => "SELECT organization_count AS count FROM meta",
            SnapshotScope::WithAccounts => "SELECT count(DISTINCT organization_id) AS count FROM provider_configs",
        };
        let count = one(tx.rows(sql(count)).await?)?.number("count")?;
        Ok(Box::new(Moment { tx, scope, position, count, after: String::new() }))
    }

    async fn forget_changes(&self, cutoff: DateTime<Utc>, limit: u32) -> Result<u64> {
        let mut writing = self.write().await?;
        let last = sql("SELECT coalesce(max(revision), 0) AS revision FROM (
                            SELECT revision FROM changes WHERE commit_time < $1 ORDER BY revision LIMIT $2) AS old");
        let last = one(writing.tx.rows(last.bind(cutoff).bind(limit)).await?)?.number("revision")?;
        if last == 0 {
            return Ok(0);
        }
        let forgotten = writing.tx.execute(sql("DELETE FROM changes WHERE revision <= $1").bind(last)).await?;
        writing.meta.retained_after = writing.meta.retained_after.max(last);
        writing.commit().await?;
        Ok(forgotten)
    }

    async fn begin_epoch(&self, seen: &str, epoch: &str, event: Draft) -> Result<String> {
        let mut writing = self.write().await?;
        if writing.meta.epoch != seen {
            return Ok(writing.meta.epoch);
        }
        epoch.clone_into(&mut writing.meta.epoch);
        writing.append(event, 0).await?;
        writing.commit().await?;
        Ok(epoch.to_owned())
    }
}

/// A read transaction, held for as long as the snapshot is read.
struct Moment<T> {
    tx: T,
    scope: SnapshotScope,
    position: Position,
    count: i64,
    after: String,
}

#[async_trait]
impl<T: Transaction> Snapshot for Moment<T> {
    fn position(&self) -> &Position {
        &self.position
    }

    fn count(&self) -> i64 {
        self.count
    }

    async fn next(&mut self, limit: u32) -> Result<Vec<SealedEntry>> {
        let mut page = sql("SELECT o.organization_id, o.revision, o.provider AS primary_provider, o.routing,
                                   o.routing_version, o.routing_update_time, c.provider, c.provider_account, c.fields,
                                   c.version, c.sealed, c.wrapped_key, c.key_version, c.create_time, c.update_time ");
        page.push(match self.scope {
            SnapshotScope::All => {
                "FROM (SELECT * FROM organizations WHERE organization_id > $1 ORDER BY organization_id LIMIT $2) o
                 LEFT JOIN provider_configs c ON c.organization_id = o.organization_id"
            }
            SnapshotScope::WithAccounts => {
                "FROM (SELECT DISTINCT organization_id FROM provider_configs WHERE organization_id > $1
                       ORDER BY organization_id LIMIT $2) page
                 JOIN organizations o ON o.organization_id = page.organization_id
                 JOIN provider_configs c ON c.organization_id = o.organization_id"
            }
        });
        page.push(" ORDER BY o.organization_id, c.provider");
        let entries = rows::entries(&self.tx.rows(page.bind(&self.after).bind(limit)).await?)?;
        if let Some(last) = entries.last() {
            self.after.clone_from(&last.organization_id);
        }
        Ok(entries)
    }
}
