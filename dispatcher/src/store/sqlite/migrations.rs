//! The schema's history. Forward only: a file that has been applied anywhere never changes again (its checksum is kept).

use std::borrow::Cow;

use sqlx::{
    SqlStr,
    migrate::{Migration, MigrationType, Migrator},
};

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        [$(($version, $name, include_str!(concat!("../../../../migrations/dispatcher/sqlite/", $name, ".sql")))),+]
    };
}

/// Every migration, in order.
const MIGRATIONS: [(i64, &str, &str); 4] =
    migrations![1 "0001_legacy_history", 2 "0002_extend_history", 3 "0003_retention", 4 "0004_callbacks"];

pub(super) fn migrator() -> Migrator {
    let migration = |(version, name, sql)| {
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    Migrator::with_migrations(MIGRATIONS.map(migration).into())
}
