//! The schema's history. Forward only: a file that has been applied anywhere never changes again (its checksum is kept).

use std::borrow::Cow;

use sqlx::{
    SqlStr, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::store::StoreError;

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        [$(($version, $name, include_str!(concat!("../../../../migrations/dispatcher/sqlite/", $name, ".sql")))),+]
    };
}

/// Every migration, in order.
const MIGRATIONS: [(i64, &str, &str); 4] =
    migrations![1 "0001_legacy_history", 2 "0002_extend_history", 3 "0003_retention", 4 "0004_callbacks"];

/// Brings the schema up to date, whole or not at all. The lock that a writer holds keeps others from doing it meanwhile.
pub(super) async fn run(pool: &SqlitePool) -> Result<(), StoreError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    migrator().run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}

fn migrator() -> Migrator {
    let migration = |(version, name, sql)| {
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.map(migration).into());
    // Of a later version: a schema is contracted only when no version that needs the old is left.
    migrator.set_ignore_missing(true);
    migrator
}
