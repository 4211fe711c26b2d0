//! A writing transaction: begins with the lock on `meta`, ends with revision, audit event and commit.

use sqlx::{PgConnection, Postgres, Transaction};

use super::PostgresStore;
use crate::{
    audit::{Draft, Event},
    store::{Change, Committed, Result, documents, meta::Meta},
};

/// A transaction that writes. Dropped before its end, it has never been.
pub(super) struct Writing {
    tx: Transaction<'static, Postgres>,
    pub meta: Meta,
}

impl PostgresStore {
    pub(super) async fn write(&self) -> Result<Writing> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query(
            "SELECT epoch, revision, retained_after, organization_count, audit_count, audit_hash, key_ring, key_floor
             FROM meta FOR UPDATE",
        )
        .fetch_one(&mut *tx)
        .await?;
        Ok(Writing { meta: Meta::of(&row)?, tx })
    }
}

impl Writing {
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// The revision that this transaction will make, if it makes one.
    pub fn revision(&self) -> i64 {
        self.meta.revision + 1
    }

    /// Ends a change of an organisation: its revision, its audit event, and the commit; nothing of it after a dry run.
    pub async fn changed<T>(mut self, organization_id: &str, change: Change, value: T) -> Result<Committed<T>> {
        if change.dry_run {
            self.tx.rollback().await?;
            return Ok(Committed { value, revision: 0 });
        }
        let revision = self.revision();
        let at = change.event.at;
        sqlx::query("INSERT INTO changes (revision, organization_id, commit_time) VALUES ($1, $2, $3)")
            .bind(revision)
            .bind(organization_id)
            .bind(at)
            .execute(&mut *self.tx)
            .await?;
        self.meta.revision = revision;
        self.append(change.event, revision).await?;
        self.commit().await?;
        Ok(Committed { value, revision })
    }

    /// Adds an event to the audit trail.
    pub async fn append(&mut self, draft: Draft, revision: i64) -> Result<()> {
        let Event { sequence, what, revision, hash } = self.meta.append(draft, revision);
        sqlx::query(
            "INSERT INTO audit_events (sequence, event_time, actor, roles, action, organization_id, provider, outcome,
                                       changes, forced, request_id, peer, revision, hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(sequence)
        .bind(what.at)
        .bind(&what.actor)
        .bind(documents::write_roles(&what.roles)?)
        .bind(&what.action)
        .bind(&what.organization_id)
        .bind(&what.provider)
        .bind(&what.outcome)
        .bind(documents::write_changes(&what.changes)?)
        .bind(what.forced)
        .bind(&what.request_id)
        .bind(&what.peer)
        .bind(revision)
        .bind(&hash[..])
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Writes `meta` and commits.
    pub async fn commit(mut self) -> Result<()> {
        let meta = &self.meta;
        sqlx::query(
            "UPDATE meta SET epoch = $1, revision = $2, retained_after = $3, organization_count = $4, audit_count = $5,
                             audit_hash = $6, key_floor = $7",
        )
        .bind(&meta.epoch)
        .bind(meta.revision)
        .bind(meta.retained_after)
        .bind(meta.organization_count)
        .bind(meta.audit.count)
        .bind(&meta.audit.hash[..])
        .bind(i64::from(meta.key_floor))
        .execute(&mut *self.tx)
        .await?;
        self.tx.commit().await?;
        Ok(())
    }
}
