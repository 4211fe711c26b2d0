//! The schema of each engine. Forward only: a file that has been released is never edited, and the checksum of each one
//! that was applied is checked at every start. Migrations of a later version are no hindrance: a schema is expanded before
//! the services are replaced, and contracted when none that needs the old is left.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::OpenError;

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
    let mut migrator = Migrator::with_migrations(migrations.into());
    // Of a later version.
    migrator.set_ignore_missing(true);
    migrator
}

/// Whether every migration of ours is among those that were `applied` to the server's store at `place`, as it is here.
pub(super) fn check(applied: &[(i64, Vec<u8>)], place: &str) -> Result<(), OpenError> {
    for migration in postgres().iter() {
        match applied.iter().find(|(version, _)| *version == migration.version) {
            None => return Err(OpenError::Outdated { place: place.to_owned() }),
            Some((version, checksum)) if *checksum != *migration.checksum => return Err(edited(*version, place)),
            Some(_) => (),
        }
    }
    if applied.len() > MIGRATIONS.len() {
        let newer = applied.len() - MIGRATIONS.len();
        tracing::info!(newer, "the schema of the configuration store is that of a later version");
    }
    Ok(())
}

/// What a migration has come to that did not go through.
pub(super) fn failed(error: MigrateError, place: &str) -> OpenError {
    match error {
        MigrateError::VersionMismatch(version) => edited(version, place),
        source => OpenError::Migration { place: place.to_owned(), source },
    }
}

fn edited(version: i64, place: &str) -> OpenError {
    OpenError::Edited { version, place: place.to_owned() }
}
