//! The schema of each engine. Forward only: a file that has been released is never edited, and the checksum of each one
//! that was applied is checked at every start.

use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Version, what it does, and its SQL for SQLite and for PostgreSQL. A new migration is one more line.
const MIGRATIONS: [(i64, &str, &str, &str); 1] = [(
    1,
    "configuration",
    include_str!("../../../migrations/config-service/sqlite/0001_configuration.sql"),
    include_str!("../../../migrations/config-service/postgres/0001_configuration.sql"),
)];

/// The schema for SQLite.
pub(super) fn sqlite() -> Migrator {
    migrator(|(_, _, sql, _)| sql)
}

/// The schema for PostgreSQL.
pub(super) fn postgres() -> Migrator {
    migrator(|(_, _, _, sql)| sql)
}

fn migrator(sql: fn((i64, &'static str, &'static str, &'static str)) -> &'static str) -> Migrator {
    use sqlx::SqlSafeStr as _;
    let migrations = MIGRATIONS.map(|migration| {
        let (version, what, ..) = migration;
        Migration::new(version, what.into(), MigrationType::Simple, sql(migration).into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.into())
}

/// Whether every migration of this version has been applied.
pub(super) const fn latest() -> i64 {
    MIGRATIONS[MIGRATIONS.len() - 1].0
}
