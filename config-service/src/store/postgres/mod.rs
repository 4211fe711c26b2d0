//! The production engine.
//!
//! Writers follow one another by the row lock on `meta`. Every read that needs more than one statement runs in a
//! repeatable-read transaction. The SQL keeps to what distributed PostgreSQL runs: no sequences, no advisory locks.

mod audit;
mod configs;
mod keys;
mod nodes;
mod organizations;
mod routing;
mod rows;
mod watch;
mod writing;

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use switchboard_runtime::telemetry::PoolUse;

use super::{Connections, OpenError, migrations};

/// Connections of one replica: callers, the hub, and the snapshots that are being streamed.
const CONNECTIONS: u32 = 16;
/// How long to wait for a connection before the store counts as not available.
const PATIENCE: Duration = Duration::from_secs(5);

/// A read transaction that sees one moment.
const ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The store on a server. Clones share it.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Connects to a server whose schema is up to date, or that of a later version.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which names the server as `place`.
    pub async fn open(url: &str, place: &str) -> Result<Self, OpenError> {
        let unreachable = |source| OpenError::Unreachable { place: place.to_owned(), source };
        let pool = connect(url, place).await?;
        let applied = "SELECT version, checksum FROM _sqlx_migrations WHERE success";
        let applied = match sqlx::query_as(applied).fetch_all(&pool).await {
            Err(error) if is_undefined_table(&error) => Vec::new(),
            applied => applied.map_err(unreachable)?,
        };
        migrations::check(&applied, place)?;
        Ok(Self { pool })
    }

    /// Brings the schema up to date. Safe to run twice and concurrently.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which names the server as `place`.
    pub async fn migrate(url: &str, place: &str) -> Result<(), OpenError> {
        let pool = connect(url, place).await?;
        let migrated = migrations::postgres().run(&pool).await;
        pool.close().await;
        migrated.map_err(|error| migrations::failed(error, place))
    }
}

impl Connections for PostgresStore {
    fn pools(&self) -> Vec<PoolUse> {
        let (pool, most) = (&self.pool, self.pool.options().get_max_connections());
        vec![PoolUse { name: "all", open: pool.size(), idle: pool.num_idle(), most }]
    }
}

async fn connect(url: &str, place: &str) -> Result<PgPool, OpenError> {
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
