//! The schema's history. Forward only: a file that has been applied anywhere never changes again (its checksum is kept).
//!
//! Replicas start at once and all of them bring the schema up to date, so one holds a lock while it does. It is asked for
//! again and again instead of waited for: a session that waits has a snapshot open, and an index that is built
//! concurrently waits for every older snapshot to go. They would wait for each other.

use std::{borrow::Cow, io, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, SqlStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    postgres::PgConnectOptions,
};

use crate::store::StoreError;

macro_rules! migrations {
    ($($version:literal $name:literal $transaction:ident),+ $(,)?) => {
        [$(($version, $name, include_str!(concat!("../../../../migrations/dispatcher/postgres/", $name, ".sql")),
            Run::$transaction)),+]
    };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    /// In a transaction.
    Whole,
    /// Outside: one statement that is safe to repeat.
    Bare,
}

/// Every migration, in order.
const MIGRATIONS: [(i64, &str, &str, Run); 12] = migrations![
    1 "0001_legacy_history" Whole,
    2 "0002_extend_history" Whole,
    3 "0003_index_history_by_organization" Bare,
    4 "0004_index_history_by_recipient" Bare,
    5 "0005_index_history_with_text" Bare,
    6 "0006_index_history_blanked" Bare,
    7 "0007_index_history_by_id" Bare,
    8 "0008_bound_history" Whole,
    9 "0009_validate_history_bound" Whole,
    10 "0010_partition_history" Whole,
    11 "0011_companions" Whole,
    12 "0012_months" Whole,
];

/// "switchbd", in bytes.
const LOCK: i64 = 0x7377_6974_6368_6264;
/// How long a server may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts to get the lock, or a table that somebody is using.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a migration gives way to whoever uses its table before it gives up.
const MOST_ATTEMPTS: u32 = 100;

/// Brings the schema up to date.
pub(super) async fn run(options: &PgConnectOptions) -> Result<(), StoreError> {
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options));
    let mut connection =
        connecting.await.map_err(|_| sqlx::Error::from(io::Error::from(io::ErrorKind::TimedOut)))??;
    // Closing the connection gives the lock back, whatever happens.
    while !sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut connection).await? {
        tokio::time::sleep(PAUSE).await;
    }
    let migrated = migrate(&mut connection).await;
    connection.close().await?;
    migrated
}

async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    let migrator = migrator();
    for attempt in 1.. {
        drop_unfinished_indexes(connection).await?;
        match migrator.run_direct(None, &mut *connection, false).await {
            Err(error) if attempt < MOST_ATTEMPTS && gave_way(&error) => {
                tracing::info!(%error, attempt, "a migration waits for a table that is in use");
                tokio::time::sleep(PAUSE).await;
            }
            ended => return Ok(ended?),
        }
    }
    Ok(())
}

fn migrator() -> Migrator {
    let migration = |(version, name, sql, run)| {
        let sql = SqlStr::from_static(sql);
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, run == Run::Bare)
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.map(migration).into());
    // Ours is held already, and is asked for in the right way.
    migrator.set_locking(false);
    migrator
}

/// Whether a migration did not get a lock within its `lock_timeout`.
fn gave_way(error: &MigrateError) -> bool {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    match error {
        MigrateError::ExecuteMigration(sqlx::Error::Database(error), _) => {
            error.code().as_deref() == Some(LOCK_NOT_AVAILABLE)
        }
        _ => false,
    }
}

/// A concurrent build that was interrupted leaves an index that nobody uses and that stands in the way of the next.
async fn drop_unfinished_indexes(connection: &mut PgConnection) -> Result<(), StoreError> {
    let unfinished: Vec<String> = sqlx::query_scalar(
        "SELECT quote_ident(c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE i.indrelid = to_regclass('message_history') AND NOT i.indisvalid",
    )
    .fetch_all(&mut *connection)
    .await?;
    for name in unfinished {
        let sql = AssertSqlSafe(format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"));
        sqlx::raw_sql(sql).execute(&mut *connection).await?;
    }
    Ok(())
}
