//! The engines that the suite runs on, each with a database of its own for every test.

use std::{path::PathBuf, sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, SqlitePool, sqlite::SqliteConnectOptions};
use switchboard_dispatcher::store::{Store, sqlite::SqliteStore};
use tempfile::TempDir;

/// How long after its last move a message must be looked after, in all tests.
pub const RECONCILE_AFTER: Duration = Duration::from_secs(30);

/// An engine with an empty database.
pub trait Engine: Sized + Send + Sync {
    /// Makes the database.
    async fn create() -> Self;

    /// Opens it: again after a restart, or once more as another replica does.
    async fn open(&self) -> Arc<dyn Store>;

    /// Makes every change of a stored message fail, as a full disk would.
    async fn break_updates(&self);

    /// Ends that.
    async fn mend_updates(&self);

    /// How many rows a table has.
    async fn rows(&self, table: &'static str) -> i64;
}

/// SQLite in a temporary folder.
pub struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("dispatcher.db")
    }

    /// A connection past the store.
    pub async fn raw(&self) -> SqlitePool {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true)
            .busy_timeout(Duration::from_secs(10));
        SqlitePool::connect_with(options).await.unwrap()
    }
}

impl Engine for Sqlite {
    async fn create() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path(), RECONCILE_AFTER).await.unwrap())
    }

    async fn break_updates(&self) {
        let sql = "CREATE TRIGGER broken BEFORE UPDATE ON messages BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
        sqlx::query(sql).execute(&self.raw().await).await.unwrap();
    }

    async fn mend_updates(&self) {
        sqlx::query("DROP TRIGGER broken").execute(&self.raw().await).await.unwrap();
    }

    async fn rows(&self, table: &'static str) -> i64 {
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        sqlx::query_scalar(sql).fetch_one(&self.raw().await).await.unwrap()
    }
}
