//! A writing transaction: begins with the lock on `meta`, ends with revision, audit event and commit.

use chrono::{DateTime, Utc};

use super::{Engine, SqlStore, Transaction, documents, meta::Meta, one, statement::sql};
use crate::{
    audit::{Draft, Event},
    store::{Change, Committed, Result, records::search_text},
};

/// A transaction that writes. Dropped before its end, it has never been.
pub(super) struct Writing<T> {
    pub tx: T,
    pub meta: Meta,
}

impl<E: Engine> SqlStore<E> {
    pub(super) async fn write(&self) -> Result<Writing<E::Transaction>> {
        let tx = self.engine.write().await?;
        self.lock(tx).await
    }

    pub(super) async fn lock(&self, mut tx: E::Transaction) -> Result<Writing<E::Transaction>> {
        let mut meta =
            sql("SELECT epoch, revision, retained_after, organization_count, audit_count, audit_hash, key_ring,
                                   key_floor
                            FROM meta");
        meta.push(E::LOCK);
        let meta = Meta::of(&one(tx.rows(meta).await?)?)?;
        Ok(Writing { tx, meta })
    }
}

impl<T: Transaction> Writing<T> {
    /// The revision that this transaction will make, if it makes one.
    pub fn revision(&self) -> i64 {
        self.meta.revision + 1
    }

    /// Adds an organisation without a mapping; says whether its id was free.
    pub async fn add_organization(&mut self, organization_id: &str, name: &str, at: DateTime<Utc>) -> Result<bool> {
        let added = sql("INSERT INTO organizations (organization_id, name, search, version, revision, create_time,
                                                    update_time)
                         VALUES ($1, $2, $3, 1, $4, $5, $5) ON CONFLICT DO NOTHING");
        let added = added.bind(organization_id).bind(name).bind(search_text(organization_id, name));
        let added = self.tx.execute(added.bind(self.revision()).bind(at)).await?;
        self.meta.organization_count += i64::from(added > 0);
        Ok(added > 0)
    }

    /// Ends a change of an organisation: its revision, its audit event, and the commit; nothing of it after a dry run.
    pub async fn changed<V>(mut self, organization_id: &str, change: Change, value: V) -> Result<Committed<V>> {
        if change.dry_run {
            return Ok(Committed { value, revision: 0 });
        }
        let revision = self.revision();
        let changed = sql("INSERT INTO changes (revision, organization_id, commit_time) VALUES ($1, $2, $3)");
        self.tx.execute(changed.bind(revision).bind(organization_id).bind(change.event.at)).await?;
        self.meta.revision = revision;
        self.append(change.event, revision).await?;
        self.commit().await?;
        Ok(Committed { value, revision })
    }

    /// Adds an event to the audit trail.
    pub async fn append(&mut self, draft: Draft, revision: i64) -> Result<()> {
        let Event { sequence, what, revision, hash } = self.meta.append(draft, revision);
        let event =
            sql("INSERT INTO audit_events (sequence, event_time, actor, roles, action, organization_id, provider,
                                                   outcome, changes, forced, request_id, peer, revision, hash)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)");
        let event = event.bind(sequence).bind(what.at).bind(&what.actor).bind(documents::write_roles(&what.roles)?);
        let event = event.bind(&what.action).bind(&what.organization_id).bind(&what.provider).bind(&what.outcome);
        let event = event.bind(documents::write_changes(&what.changes)?).bind(what.forced).bind(&what.request_id);
        self.tx.execute(event.bind(&what.peer).bind(revision).bind(&hash[..])).await?;
        Ok(())
    }

    /// Writes `meta` and commits.
    pub async fn commit(mut self) -> Result<()> {
        let meta = &self.meta;
        let put = sql("UPDATE meta SET epoch = $1, revision = $2, retained_after = $3, organization_count = $4,
                                       audit_count = $5, audit_hash = $6, key_floor = $7");
        let put = put.bind(&meta.epoch).bind(meta.revision).bind(meta.retained_after).bind(meta.organization_count);
        let put = put.bind(meta.audit.count).bind(&meta.audit.hash[..]).bind(meta.key_floor);
        self.tx.execute(put).await?;
        self.tx.commit().await
    }
}
