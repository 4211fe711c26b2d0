//! The engine for production: PostgreSQL, shared by all replicas, partitioned by month.
//!
//! Everything a batch of writes needs goes to the server in a handful of statements over arrays, whatever its size.

mod claim;
mod commit;
mod connect;
mod listing;
mod load;
mod migrations;
mod months;
#[cfg(test)]
mod plans;
mod presume;
mod read;
mod reunite;
mod row;
mod tidy;
mod window;
mod write;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{Fingerprint, Forgotten, ListQuery, Presumed, StatusOutcome, Store, StoreError, Terms, Write, Written};
use crate::message::Message;

pub use connect::PoolSizes;

/// The engine for production.
pub struct PostgresStore {
    writers: PgPool,
    readers: PgPool,
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

    /// Opens the database at `url` and brings its schema up to date; several replicas may do so at once.
    /// `reconcile_after` is how long after its last move a message must be looked after.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read, the server cannot be reached, or the schema is not one that this version knows.
    pub async fn open(url: &str, pools: PoolSizes, reconcile_after: Duration) -> Result<Self, StoreError> {
        let options = connect::options(url)?;
        migrations::run(&options).await?;
        let writers = connect::writers(options.clone(), pools.writers);
        let readers = connect::readers(options, pools.readers);
        Ok(Self { writers, readers, reconcile_after })
    }
}

impl PostgresStore {
    /// Applies parked reports whose message is known by now.
    async fn reunite(&self, batch: u32) -> Result<(), StoreError> {
        for (key, update) in reunite::met(&self.readers, batch).await? {
            let written = self.commit(vec![Write::Report(Box::new(update))]).await?;
            // Another account's message is not the one that it waits for.
            let foreign = matches!(written[..], [Written::Reported { outcome: StatusOutcome::Foreign, .. }]);
            if !foreign {
                reunite::unpark(&self.writers, &key).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>, StoreError> {
        commit::commit(&self.writers, writes, self.reconcile_after).await
    }

    async fn presume(&self, presumed: &Presumed) -> Result<Vec<String>, StoreError> {
        presume::presume(&self.writers, presumed).await
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
        read::list(&self.readers, query).await
    }

    async fn claim_due(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Message>, StoreError> {
        claim::claim_due(&self.writers, now, limit, self.reconcile_after).await
    }

    async fn tidy(&self, now: DateTime<Utc>, terms: &Terms, batch: u32) -> Result<Forgotten, StoreError> {
        self.reunite(batch).await?;
        tidy::tidy(&self.writers, now, terms, batch).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(())
    }
}
