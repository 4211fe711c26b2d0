//! The production engine. Instants are kept as `TIMESTAMPTZ`, flags as `BOOLEAN`.
//!
//! Writers follow one another by the row lock on `meta`. Every read that needs more than one statement runs in a
//! repeatable-read transaction. The SQL keeps to what distributed PostgreSQL runs: no sequences, no advisory locks.

use std::{str::FromStr as _, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    PgPool, Postgres as Db, Row as _, ValueRef as _,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow},
    query::Query,
};

use super::{
    OpenError, Result, migrations,
    sql::{Columns, Engine, Statement, Transaction, Value},
};

/// Connections of one replica: callers, the hub, and the snapshots that are being streamed.
const CONNECTIONS: u32 = 16;
/// How long to wait for a connection before the store counts as not available.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server.
#[derive(Debug)]
pub(super) struct Postgres {
    pool: PgPool,
}

impl Postgres {
    /// Connects to a server whose schema is up to date. An error names it as `place`.
    pub async fn open(url: &str, place: &str) -> std::result::Result<Self, OpenError> {
        let unreachable = |source| OpenError::Unreachable { place: place.to_owned(), source };
        let pool = connect(url, place).await?;
        let latest: Option<i64> = match sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(&pool)
            .await
        {
            Ok(latest) => latest,
            Err(error) if is_undefined_table(&error) => None,
            Err(error) => return Err(unreachable(error)),
        };
        if latest < Some(migrations::latest()) {
            return Err(OpenError::Outdated { place: place.to_owned() });
        }
        Ok(Self { pool })
    }

    /// Brings the schema up to date. Safe to run twice and concurrently. An error names the server as `place`.
    pub async fn migrate(url: &str, place: &str) -> std::result::Result<(), OpenError> {
        let pool = connect(url, place).await?;
        let migrated = migrations::postgres().run(&pool).await;
        pool.close().await;
        migrated.map_err(|source| OpenError::Migration { place: place.to_owned(), source })
    }
}

async fn connect(url: &str, place: &str) -> std::result::Result<PgPool, OpenError> {
    let unreachable = |source| OpenError::Unreachable { place: place.to_owned(), source };
    let options = PgConnectOptions::from_str(url).map_err(unreachable)?.application_name("switchboard config-service");
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect_with(options)
        .await
        .map_err(unreachable)
}

/// `undefined_table` (PostgreSQL error codes, class 42).
fn is_undefined_table(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "42P01")
}

fn query(statement: Statement) -> Query<'static, Db, PgArguments> {
    let (text, values) = statement.into_parts();
    values.into_iter().fold(sqlx::query(text), |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Number(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes),
        Value::Flag(flag) => query.bind(flag),
        Value::Instant(instant) => query.bind(instant),
    })
}

#[async_trait]
impl Engine for Postgres {
    type Row = PgRow;
    type Transaction = sqlx::Transaction<'static, Db>;

    const POSITION: &'static str = "strpos";
    const LOCK: &'static str = " FOR UPDATE";

    async fn rows(&self, statement: Statement) -> Result<Vec<PgRow>> {
        Ok(query(statement).fetch_all(&self.pool).await?)
    }

    async fn read(&self) -> Result<Self::Transaction> {
        Ok(self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
    }

    async fn write(&self) -> Result<Self::Transaction> {
        Ok(self.pool.begin().await?)
    }

    async fn note(&self) -> Result<Self::Transaction> {
        let mut transaction = self.pool.begin().await?;
        // Seen by everybody at once all the same; only a crash of the server in the next moment would lose it.
        sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *transaction).await?;
        Ok(transaction)
    }
}

#[async_trait]
impl Transaction for sqlx::Transaction<'static, Db> {
    type Row = PgRow;

    async fn rows(&mut self, statement: Statement) -> Result<Vec<PgRow>> {
        Ok(query(statement).fetch_all(&mut **self).await?)
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64> {
        Ok(query(statement).execute(&mut **self).await?.rows_affected())
    }

    async fn commit(self) -> Result<()> {
        Ok(sqlx::Transaction::commit(self).await?)
    }
}

impl Columns for PgRow {
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
        Ok(self.try_get(column)?)
    }

    fn instant(&self, column: &str) -> Result<Option<DateTime<Utc>>> {
        Ok(self.try_get(column)?)
    }

    fn is_null(&self, column: &str) -> Result<bool> {
        Ok(self.try_get_raw(column)?.is_null())
    }
}
