//! The embedded engine: WAL, every commit synced to disk, one writer.

mod claim;
mod commit;
mod migrations;
mod presume;
mod read;
mod row;
mod tidy;

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{Fingerprint, Forgotten, ListQuery, Presumed, Store, StoreError, Terms, Write, Written};
use crate::message::Message;

/// The embedded engine.
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    reconcile_after: Duration,
}

impl SqliteStore {
    /// Opens the file, makes it where there is none, and brings its schema up to date. `reconcile_after` is how long
    /// after its last move a message must be looked after.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, or its schema is not one that this version knows.
    pub async fn open(path: &Path, reconcile_after: Duration) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            .statement_cache_capacity(100);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        migrations::migrator().run_direct(None, &mut *writer.acquire().await?, false).await?;
        let readers = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        Ok(Self { writer, readers, reconcile_after })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>, StoreError> {
        commit::commit(&self.writer, writes, self.reconcile_after).await
    }

    async fn presume(&self, presumed: &Presumed) -> Result<Vec<String>, StoreError> {
        presume::presume(&self.writer, presumed).await
    }

    fn reconcile_after(&self) -> Duration {
        self.reconcile_after
    }

    async fn message(&self, message_id: &str) -> Result<Option<Message>, StoreError> {
        read::message(&mut *self.readers.acquire().await?, message_id).await
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
        claim::claim_due(&self.writer, now, limit, self.reconcile_after).await
    }

    async fn tidy(&self, _now: DateTime<Utc>, terms: &Terms, batch: u32) -> Result<Forgotten, StoreError> {
        tidy::tidy(&self.writer, terms, batch).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(())
    }
}
