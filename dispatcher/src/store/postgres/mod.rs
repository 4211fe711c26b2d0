//! The engine for production: PostgreSQL, shared by all replicas, partitioned by month.
//!
//! Everything a batch of writes needs goes to the server in a handful of statements over arrays, whatever its size.

mod callbacks;
mod census;
mod claim;
mod commit;
mod connect;
mod indexes;
mod leader;
mod list;
mod listing;
mod load;
mod migrations;
mod month;
mod months;
#[cfg(test)]
mod plans;
mod presume;
mod read;
mod reports;
mod reunite;
mod row;
mod standing;
mod statement;
mod steps;
mod tidy;
mod window;
mod write;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{
    Callbacks, Census, Fingerprint, Forgotten, ListQuery, Noted, Presumed, QuarantineQuery, Quarantined, Refusal, Room,
    StatusOutcome, Store, StoreError, Terms, Unreadable, Write, Written,
};
use crate::message::Message;
use steps::Steps;
use switchboard_runtime::telemetry::PoolUse;

pub use connect::PoolSizes;

/// The engine for production.
pub struct PostgresStore {
    /// For the usual batches.
    standing: standing::Standing,
    writers: PgPool,
    readers: PgPool,
    candidate: leader::Candidate,
    reconcile_after: Duration,
}

impl PostgresStore {
    /// Whether `url` is the address of a database.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check_url(url: &str) -> Result<(), StoreError> {
        connect::options(url).map(drop)
    }

    /// Opens the database at `url`. Its schema is brought up to date if its role may do so, several replicas at once; else it
    /// must be up to date already. That of a later version will do. `reconcile_after` is how long after its last move a
    /// message must be looked after.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read, the server cannot be reached, or the schema is another, or older and not to be changed.
    pub async fn open(url: &str, pools: PoolSizes, reconcile_after: Duration) -> Result<Self, StoreError> {
        let options = connect::options(url)?;
        migrations::ensure(&options).await?;
        let writers = connect::writers(options.clone(), pools.writers);
        let readers = connect::readers(options.clone(), pools.readers);
        let standing = standing::Standing::new(options.clone());
        let candidate = leader::Candidate::new(options);
        Ok(Self { standing, writers, readers, candidate, reconcile_after })
    }

    /// Brings the schema of the database at `url` up to date; several may do so at once, and again.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read, the server cannot be reached, or a migration fails or was edited after it had been
    /// applied.
    pub async fn migrate(url: &str) -> Result<(), StoreError> {
        migrations::run(&connect::options(url)?).await
    }
}

impl PostgresStore {
    /// Applies parked reports whose message is known by now. One that cannot be applied holds up no other.
    async fn reunite(&self, batch: u32, steps: &mut Steps) {
        for (key, body) in steps.done("find parked reports", reunite::met(&self.readers, batch).await) {
            steps.done("apply a parked report", self.apply_parked(&key, &body).await);
        }
    }

    async fn apply_parked(&self, key: &str, body: &str) -> Result<(), StoreError> {
        let update = load::parse_parked(body)?;
        let written = self.commit(vec![Write::Report(Box::new(update))]).await?;
        // Another account's message is not the one that it waits for.
        let foreign = matches!(written[..], [Written::Reported { outcome: StatusOutcome::Foreign, .. }]);
        match foreign {
            true => Ok(()),
            false => reunite::unpark(&self.writers, key).await,
        }
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>, StoreError> {
        if !writes.iter().all(|write| matches!(write, Write::Report(_))) {
            return commit::commit(&self.writers, writes, self.reconcile_after).await;
        }
        let written = reports::commit(&self.standing, &writes, self.reconcile_after).await?;
        let left: Vec<Write> =
            writes.into_iter().zip(&written).filter(|(_, written)| written.is_none()).map(|(write, _)| write).collect();
        let mut the_long_way = match left.is_empty() {
            true => Vec::new(),
            false => commit::commit(&self.writers, left, self.reconcile_after).await?,
        }
        .into_iter();
        Ok(written.into_iter().filter_map(|written| written.or_else(|| the_long_way.next())).collect())
    }

    async fn presume(&self, presumed: &Presumed) -> Result<Vec<String>, StoreError> {
        presume::presume(&self.standing, presumed).await
    }

    fn reconcile_after(&self) -> Duration {
        self.reconcile_after
    }

    async fn message(&self, message_id: &str) -> Result<Option<Message>, StoreError> {
        read::message(&self.readers, message_id).await
    }

    async fn by_request_id(
        &self,
        organization_id: &str,
        request_id: &str,
    ) -> Result<Option<(Message, Fingerprint)>, StoreError> {
        read::by_request_id(&self.readers, organization_id, request_id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Message>, StoreError> {
        list::list(&self.readers, query).await
    }

    async fn claim_due(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Message>, StoreError> {
        claim::claim_due(&self.writers, now, limit, self.reconcile_after).await
    }

    async fn tidy(&self, now: DateTime<Utc>, terms: &Terms, batch: u32) -> Result<Forgotten, StoreError> {
        let mut steps = Steps::default();
        self.reunite(batch, &mut steps).await;
        let forgotten = tidy::tidy(&self.writers, now, terms, batch, &mut steps).await;
        Ok(Forgotten { failed: steps.failed, ..forgotten })
    }

    async fn census(&self, now: DateTime<Utc>) -> Result<Census, StoreError> {
        census::census(&self.readers, now).await
    }

    async fn lead(&self) -> Result<bool, StoreError> {
        self.candidate.leads().await
    }

    async fn resign(&self) {
        self.candidate.resign().await;
    }

    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(())
    }

    fn pools(&self) -> Vec<PoolUse> {
        let pools = [("writers", &self.writers), ("readers", &self.readers)];
        let most = |pool: &PgPool| pool.options().get_max_connections();
        pools.map(|(name, pool)| PoolUse { name, open: pool.size(), idle: pool.num_idle(), most: most(pool) }).into()
    }
}

#[async_trait]
impl Callbacks for PostgresStore {
    async fn set_aside(
        &self,
        events: Vec<(String, Unreadable)>,
        room: Room,
        at: DateTime<Utc>,
    ) -> Result<Option<u32>, StoreError> {
        callbacks::set_aside(&self.writers, events, room, at).await
    }

    async fn quarantined(&self, query: &QuarantineQuery) -> Result<Vec<Quarantined>, StoreError> {
        callbacks::quarantined(&self.readers, query).await
    }

    async fn quarantined_by_id(&self, ids: &[String]) -> Result<Vec<Quarantined>, StoreError> {
        callbacks::by_id(&self.readers, ids).await
    }

    async fn release(&self, id: &str) -> Result<(), StoreError> {
        callbacks::release(&self.writers, id).await
    }

    async fn note_refusals(&self, refusals: Vec<Refusal>, at: DateTime<Utc>) -> Result<(), StoreError> {
        callbacks::note_refusals(&self.writers, refusals, at).await
    }

    async fn refusals(&self, limit: u32) -> Result<Vec<Noted>, StoreError> {
        callbacks::refusals(&self.readers, limit).await
    }
}
