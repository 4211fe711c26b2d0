//! The schema's history. Forward only: a file that has been applied anywhere never changes again (its checksum is kept).
//!
//! It is brought up to date by whoever may do so: `switchboard migrate`, or a service that finds it too old. A service
//! whose role may not change it only looks, and says what must be done. Migrations of a later version are no hindrance: a
//! schema is expanded before the services are replaced, and contracted when none that needs the old is left.
//!
//! Several may migrate at once, so one holds a lock while it does. It is asked for again and again instead of waited for:
//! a session that waits has a snapshot open, and an index that is built concurrently waits for every older snapshot to
//! go. They would wait for each other.

use std::{borrow::Cow, collections::BTreeMap, io, time::Duration};

use sqlx::{
    Connection as _, PgConnection, SqlStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    postgres::PgConnectOptions,
};

use super::indexes;
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
const MIGRATIONS: [(i64, &str, &str, Run); 21] = migrations![
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
    13 "0013_callbacks" Whole,
    14 "0014_partitions_by_their_owner" Whole,
    15 "0015_index_by_day" Whole,
    16 "0016_drop_index_by_recipient" Whole,
    17 "0017_write_to_months" Whole,
    18 "0018_index_by_time" Whole,
    19 "0019_drop_index_by_organization" Whole,
    20 "0020_fill_pages_of_names" Whole,
    21 "0021_drop_images_with_months" Whole,
];

/// After each of these an index of the partitioned table is to be made for the partitions that there are.
const INDEXES: [i64; 2] = [15, 18];

/// "switchbd", in bytes.
const LOCK: i64 = 0x7377_6974_6368_6264;
/// How long a server may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts to get the lock, or a table that somebody is using.
const PAUSE: Duration = Duration::from_millis(100);
// PostgreSQL error codes, class 42.
const UNDEFINED_TABLE: &str = "42P01";
const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// How often a migration gives way to whoever uses its table before it gives up.
const MOST_ATTEMPTS: u32 = 100;

/// Brings the schema up to date.
pub(super) async fn run(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = connect(options).await?;
    // Closing the connection gives the lock back, whatever happens.
    while !sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut connection).await? {
        tokio::time::sleep(PAUSE).await;
    }
    let migrated = migrate(&mut connection).await;
    connection.close().await?;
    migrated
}

/// Makes sure that the schema is one that this version can work on: brings it up to date if it is too old and this role
/// may.
pub(super) async fn ensure(options: &PgConnectOptions) -> Result<(), StoreError> {
    match check(options).await {
        Err(StoreError::Outdated) => {
            run(options).await.map_err(|error| if is_denied(&error) { StoreError::Outdated } else { error })
        }
        checked => checked,
    }
}

/// Whether this role may not do that.
fn is_denied(error: &StoreError) -> bool {
    let error = match error {
        StoreError::Migration(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))
        | StoreError::Unavailable(error) => error,
        _ => return false,
    };
    has_code(error, INSUFFICIENT_PRIVILEGE)
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|its| its == code)
}

/// Whether the schema is one that this version can work on: every migration of ours is applied as it is here.
pub(super) async fn check(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = connect(options).await?;
    let applied = "SELECT version, checksum FROM _sqlx_migrations WHERE success";
    let applied: Vec<(i64, Vec<u8>)> = match sqlx::query_as(applied).fetch_all(&mut connection).await {
        // Not made yet, or not granted yet to who serves.
        Err(error) if [UNDEFINED_TABLE, INSUFFICIENT_PRIVILEGE].iter().any(|code| has_code(&error, code)) => Vec::new(),
        applied => applied?,
    };
    connection.close().await?;
    let applied: BTreeMap<i64, Vec<u8>> = applied.into_iter().collect();
    for migration in migrator().iter() {
        match applied.get(&migration.version) {
            None => return Err(StoreError::Outdated),
            Some(checksum) if *checksum != *migration.checksum => return Err(StoreError::Edited(migration.version)),
            Some(_) => (),
        }
    }
    let ours = MIGRATIONS.len();
    if applied.len() > ours {
        tracing::info!(newer = applied.len() - ours, "the history's schema is that of a later version");
    }
    Ok(())
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options));
    Ok(connecting.await.map_err(|_| sqlx::Error::from(io::Error::from(io::ErrorKind::TimedOut)))??)
}

async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    let migrator = migrator();
    for attempt in 1.. {
        match steps(&migrator, connection).await {
            Err(error) if attempt < MOST_ATTEMPTS && gave_way(&error) => {
                tracing::info!(%error, attempt, "a migration waits for a table that is in use");
                tokio::time::sleep(PAUSE).await;
            }
            ended => return ended,
        }
    }
    Ok(())
}

async fn steps(migrator: &Migrator, connection: &mut PgConnection) -> Result<(), StoreError> {
    indexes::drop_unfinished(connection).await?;
    for version in INDEXES {
        migrator.run_direct(Some(version), &mut *connection, false).await?;
        indexes::spread(connection).await?;
    }
    Ok(migrator.run_direct(None, &mut *connection, false).await?)
}

fn migrator() -> Migrator {
    let migration = |(version, name, sql, run)| {
        let sql = SqlStr::from_static(sql);
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, run == Run::Bare)
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.map(migration).into());
    // Ours is held already, and is asked for in the right way.
    migrator.set_locking(false);
    // Of a later version.
    migrator.set_ignore_missing(true);
    migrator
}

/// Whether a migration did not get a lock within its `lock_timeout`.
fn gave_way(error: &StoreError) -> bool {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    match error {
        StoreError::Migration(MigrateError::ExecuteMigration(error, _)) | StoreError::Unavailable(error) => {
            has_code(error, LOCK_NOT_AVAILABLE)
        }
        _ => false,
    }
}
