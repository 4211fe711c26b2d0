//! The embedded engine: one file, WAL, `synchronous=FULL`. Instants are kept as microseconds since 1970, flags as 0 and 1.
//!
//! One connection writes (`BEGIN IMMEDIATE`), a pool reads; in WAL mode readers never wait for the writer.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use backon::{ConstantBuilder, Retryable as _};
use chrono::{DateTime, Utc};
use sqlx::{
    Row as _, Sqlite as Db, SqlitePool, ValueRef as _,
    query::Query,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};
use switchboard_runtime::{private_file, telemetry::PoolUse};

use super::{
    OpenError, Result, StoreError, migrations,
    sql::{Columns, Engine, Statement, Transaction, Value},
};

/// How long to wait for another process that writes, a key rotation say.
const BUSY: Duration = Duration::from_secs(10);
/// Tries within that time to give a new file its write-ahead log.
const LOG_TRIES: u32 = 500;
/// Connections that read: queries, and the snapshots that are being streamed.
const READERS: u32 = 12;

/// A file.
#[derive(Debug)]
pub(super) struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    /// Opens the file, makes it when it is not there, and brings its schema up to date.
    pub async fn open(path: &Path) -> std::result::Result<Self, OpenError> {
        let place = path.display().to_string();
        // SQLite gives its companions the same mode.
        private_file::make_room(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let unreachable = |source| OpenError::Unreachable { place: place.clone(), source };
        let writer = connect_writer(&options).await.map_err(unreachable)?;
        // Whole or not at all; the lock that a writer holds keeps others from doing it meanwhile.
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(unreachable)?;
        migrations::sqlite()
            .run_direct(None, &mut *transaction, false)
            .await
            .map_err(|error| migrations::failed(error, &place))?;
        transaction.commit().await.map_err(unreachable)?;
        let readers =
            SqlitePoolOptions::new().max_connections(READERS).connect_with(options.pragma("query_only", "ON")).await;
        Ok(Self { writer, readers: readers.map_err(unreachable)? })
    }
}

/// The one connection that writes. SQLite refuses at once to give a file its write-ahead log beside another that uses it:
/// of two that begin together one tries again.
async fn connect_writer(options: &SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    let patience = ConstantBuilder::new().with_delay(BUSY / LOG_TRIES).with_max_times(LOG_TRIES as usize);
    let connect = || SqlitePoolOptions::new().max_connections(1).connect_with(options.clone());
    connect.retry(patience).when(is_busy).await
}

/// `SQLITE_BUSY`, with or without an extension in the higher bytes (<https://sqlite.org/rescode.html>).
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

fn query(statement: Statement) -> Query<'static, Db, SqliteArguments> {
    let (text, values) = statement.into_parts();
    values.into_iter().fold(sqlx::query(text), |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Number(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes),
        Value::Flag(flag) => query.bind(flag),
        Value::Instant(instant) => query.bind(instant.map(|instant| instant.timestamp_micros())),
    })
}

#[async_trait]
impl Engine for Sqlite {
    type Row = SqliteRow;
    type Transaction = sqlx::Transaction<'static, Db>;

    const POSITION: &'static str = "instr";
    const LOCK: &'static str = "";

    async fn rows(&self, statement: Statement) -> Result<Vec<SqliteRow>> {
        Ok(query(statement).fetch_all(&self.readers).await?)
    }

    async fn read(&self) -> Result<Self::Transaction> {
        Ok(self.readers.begin().await?)
    }

    async fn write(&self) -> Result<Self::Transaction> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    async fn note(&self) -> Result<Self::Transaction> {
        self.write().await
    }

    fn pools(&self) -> Vec<PoolUse> {
        let pools = [("writers", &self.writer), ("readers", &self.readers)];
        let most = |pool: &SqlitePool| pool.options().get_max_connections();
        pools.map(|(name, pool)| PoolUse { name, open: pool.size(), idle: pool.num_idle(), most: most(pool) }).into()
    }
}

#[async_trait]
impl Transaction for sqlx::Transaction<'static, Db> {
    type Row = SqliteRow;

    async fn rows(&mut self, statement: Statement) -> Result<Vec<SqliteRow>> {
        Ok(query(statement).fetch_all(&mut **self).await?)
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64> {
        Ok(query(statement).execute(&mut **self).await?.rows_affected())
    }

    async fn commit(self) -> Result<()> {
        Ok(sqlx::Transaction::commit(self).await?)
    }
}

impl Columns for SqliteRow {
    fn text(&self, column: &str) -> Result<String> {
        Ok(self.try_get(column)?)
    }

    fn number(&self, column: &str) -> Result<i64> {
        Ok(self.try_get(column)?)
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        Ok(self.try_get(column)?)
    }

    fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.number(column)? != 0)
    }

    fn instant(&self, column: &str) -> Result<Option<DateTime<Utc>>> {
        self.try_get::<Option<i64>, _>(column)?.map(instant).transpose()
    }

    fn is_null(&self, column: &str) -> Result<bool> {
        Ok(self.try_get_raw(column)?.is_null())
    }
}

fn instant(micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| StoreError::inconsistent(format!("{micros} is no instant")))
}
