//! The production engine. Instants are kept as `TIMESTAMPTZ`, flags as `BOOLEAN`.
//!
//! Writers follow one another by the row lock on `meta`. Every read that needs more than one statement runs in a
//! repeatable-read transaction. The SQL keeps to what distributed PostgreSQL runs: no sequences, no advisory locks.

use std::{str::FromStr as _, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{
    PgPool, Postgres as Db, Row as _, ValueRef as _,
    migrate::MigrateError,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow},
    query::Query,
};
use switchboard_runtime::telemetry::PoolUse;

use super::{
    OpenError, Result, migrations,
    sql::{Columns, Engine, Statement, Transaction, Value},
};

/// Connections of one replica: callers, the hub, and the snapshots that are being streamed.
const CONNECTIONS: u32 = 16;
/// How long to wait for a connection before the store counts as not available.
const PATIENCE: Duration = Duration::from_secs(5);

// PostgreSQL error codes, class 42.
const UNDEFINED_TABLE: &str = "42P01";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// A server.
#[derive(Debug)]
pub(super) struct Postgres {
    pool: PgPool,
}

impl Postgres {
    /// Connects to a server. Its schema is brought up to date if its role may do so; else it must be up to date already.
    /// That of a later version will do. An error names the server as `place`.
    pub async fn open(url: &str, place: &str) -> std::result::Result<Self, OpenError> {
        let pool = connect(url, place).await?;
        match check(&pool, place).await {
            Err(outdated @ OpenError::Outdated { .. }) => match migrate(&pool, place).await {
                Err(OpenError::Migration { source, .. }) if is_denied(&source) => return Err(outdated),
                migrated => migrated?,
            },
            checked => checked?,
        }
        Ok(Self { pool })
    }

    /// Brings the schema up to date. Safe to run twice and concurrently. An error names the server as `place`.
    pub async fn migrate(url: &str, place: &str) -> std::result::Result<(), OpenError> {
        let pool = connect(url, place).await?;
        let migrated = migrate(&pool, place).await;
        pool.close().await;
        migrated
    }
}

/// Whether the schema is one that this version can work on.
async fn check(pool: &PgPool, place: &str) -> std::result::Result<(), OpenError> {
    let applied = "SELECT version, checksum FROM _sqlx_migrations WHERE success";
    let applied = match sqlx::query_as(applied).fetch_all(pool).await {
        // Not made yet, or not granted yet to who serves.
        Err(error) if [UNDEFINED_TABLE, INSUFFICIENT_PRIVILEGE].iter().any(|code| has_code(&error, code)) => Vec::new(),
        applied => applied.map_err(|source| OpenError::Unreachable { place: place.to_owned(), source })?,
    };
    migrations::check(&applied, place)
}

/// Brings the schema up to date, one at a time.
async fn migrate(pool: &PgPool, place: &str) -> std::result::Result<(), OpenError> {
    let mut connection =
        pool.acquire().await.map_err(|source| OpenError::Unreachable { place: place.to_owned(), source })?;
    let migrated = migrations::postgres().run_direct(None, &mut *connection, false).await;
    // Closing the connection gives the lock back, whatever has happened.
    connection.close_on_drop();
    migrated.map_err(|error| migrations::failed(error, place))
}

/// Whether this role may not do that.
fn is_denied(error: &MigrateError) -> bool {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            has_code(error, INSUFFICIENT_PRIVILEGE)
        }
        _ => false,
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

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|its| its == code)
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

    fn pools(&self) -> Vec<PoolUse> {
        let (pool, most) = (&self.pool, self.pool.options().get_max_connections());
        vec![PoolUse { name: "all", open: pool.size(), idle: pool.num_idle(), most }]
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
