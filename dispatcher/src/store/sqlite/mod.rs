//! The embedded engine: WAL, every commit synced to disk, one writer.

mod callbacks;
mod census;
mod checkpoint;
mod claim;
mod commit;
mod migrations;
mod presume;
mod read;
mod row;
mod tidy;

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use backon::{ConstantBuilder, Retryable as _};
use chrono::{DateTime, Utc};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use switchboard_runtime::{private_file, telemetry::PoolUse};
use tokio::task::JoinSet;

use super::{
    Callbacks, Census, Fingerprint, Forgotten, ListQuery, Noted, Presumed, QuarantineQuery, Quarantined, Refusal, Room,
    Store, StoreError, Terms, Unreadable, Write, Written,
};
use crate::message::Message;

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(10);
/// Tries within that time to give a new file its write-ahead log.
const LOG_TRIES: u32 = 500;
/// Pages that the writer keeps in memory, in KiB (`PRAGMA cache_size` counts pages unless negative): the ends of all indexes.
/// After most commits SQLite walks along all of them.
const WRITERS_CACHE: &str = "-4096";
/// Pages in the write-ahead log, 256 MiB, after which the writer copies them itself: they are copied beside it, unless that
/// does not keep up.
const LONGEST_LOG: &str = "65536";

/// The embedded engine.
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    reconcile_after: Duration,
    /// What goes on beside, and ends with it.
    _upkeep: JoinSet<()>,
}

impl SqliteStore {
    /// Opens the file, makes it where there is none, for its owner alone, and brings its schema up to date. `reconcile_after`
    /// is how long after its last move a message must be looked after.
    ///
    /// # Errors
    ///
    /// When the file cannot be made or opened, or a migration fails or was edited after it had been applied.
    pub async fn open(path: &Path, reconcile_after: Duration) -> Result<Self, StoreError> {
        // SQLite gives its companions the same mode.
        private_file::make_room(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .statement_cache_capacity(100);
        let writing = options
            .clone()
            .pragma("cache_size", WRITERS_CACHE)
            .pragma("wal_autocheckpoint", LONGEST_LOG)
            // A statement that may fail keeps what each page was, in a file of its own unless told otherwise.
            .pragma("temp_store", "memory");
        let writer = connect_writer(writing).await?;
        migrations::run(&writer).await?;
        let readers = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        let mut upkeep = JoinSet::new();
        upkeep.spawn(checkpoint::keep_short(readers.clone(), writer.clone()));
        Ok(Self { writer, readers, reconcile_after, _upkeep: upkeep })
    }
}

/// The one connection that writes. SQLite gives a file its write-ahead log only when nobody else has it, and does not wait
/// for that as it waits for everything else: whoever begins beside another tries again.
async fn connect_writer(options: SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    let patience = ConstantBuilder::new().with_delay(BUSY / LOG_TRIES).with_max_times(LOG_TRIES as usize);
    let connect = || SqlitePoolOptions::new().max_connections(1).connect_with(options.clone());
    connect.retry(patience).when(is_busy).await
}

/// `SQLITE_BUSY`, with or without an extension in the higher bytes (<https://sqlite.org/rescode.html>).
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
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

    async fn census(&self, now: DateTime<Utc>) -> Result<Census, StoreError> {
        census::census(&self.readers, now).await
    }

    /// One process alone has the file.
    async fn lead(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn resign(&self) {}

    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(())
    }

    fn pools(&self) -> Vec<PoolUse> {
        let pools = [("writers", &self.writer), ("readers", &self.readers)];
        let most = |pool: &SqlitePool| pool.options().get_max_connections();
        pools.map(|(name, pool)| PoolUse { name, open: pool.size(), idle: pool.num_idle(), most: most(pool) }).into()
    }
}

#[async_trait]
impl Callbacks for SqliteStore {
    async fn set_aside(
        &self,
        events: Vec<(String, Unreadable)>,
        room: Room,
        at: DateTime<Utc>,
    ) -> Result<Option<u32>, StoreError> {
        callbacks::set_aside(&self.writer, events, room, at).await
    }

    async fn quarantined(&self, query: &QuarantineQuery) -> Result<Vec<Quarantined>, StoreError> {
        callbacks::quarantined(&self.readers, query).await
    }

    async fn quarantined_by_id(&self, ids: &[String]) -> Result<Vec<Quarantined>, StoreError> {
        callbacks::by_id(&self.readers, ids).await
    }

    async fn release(&self, id: &str) -> Result<(), StoreError> {
        callbacks::release(&self.writer, id).await
    }

    async fn note_refusals(&self, refusals: Vec<Refusal>, at: DateTime<Utc>) -> Result<(), StoreError> {
        callbacks::note_refusals(&self.writer, refusals, at).await
    }

    async fn refusals(&self, limit: u32) -> Result<Vec<Noted>, StoreError> {
        callbacks::refusals(&self.readers, limit).await
    }
}
