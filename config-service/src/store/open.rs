//! Which engine, from the settings.

use std::{
    path::{Path, PathBuf},
    str::FromStr as _,
    sync::Arc,
};

use sqlx::{migrate::MigrateError, postgres::PgConnectOptions};
use switchboard_runtime::{config::ConfigError, private_file::PrivateFileError};

use super::{Store, postgres::Postgres, sql::SqlStore, sqlite::Sqlite};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file, made when it is not there.
    Sqlite(PathBuf),
    /// A server; the URL may hold a password.
    Postgres(secret::Url),
}

/// A URL that does not print its password.
pub mod secret {
    use std::fmt;

    /// A database URL.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Url(pub(in crate::store) String);

    impl fmt::Debug for Url {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&super::without_password(&self.0))
        }
    }
}

/// Why a store cannot be opened: one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a database URL. It is not shown: who can say where a password is in it?
    #[error("{0}")]
    Url(#[from] ConfigError),
    /// The file or its folder cannot be made.
    #[error(
        "config_service.database_url: the configuration store has no file: {0}; name a place where this user may write"
    )]
    NoFile(#[from] PrivateFileError),
    /// It cannot be opened.
    #[error("config_service.database_url: cannot open the configuration store {place}: {source}")]
    Unreachable {
        /// Where.
        place: String,
        /// What the engine said.
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot bring the schema of the configuration store {place} up to date: {source}")]
    Migration {
        /// Where.
        place: String,
        /// Why.
        source: MigrateError,
    },
    /// A migration is not the one that was applied.
    #[error(
        "migration {version} of the configuration store {place} was edited after it had been applied: run the release that this store was made with, or restore the file"
    )]
    Edited {
        /// Which.
        version: i64,
        /// Where.
        place: String,
    },
    /// The schema is older than this version, and this role may not change it, or may not use it yet.
    #[error(
        "the schema of the configuration store {place} is older than this version or not granted to this role: run `switchboard migrate`, then the grants"
    )]
    Outdated {
        /// Where.
        place: String,
    },
}

impl OpenError {
    /// Whether waiting may help: the server is not there yet, or has not been migrated yet.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => is_absence(source),
            Self::Migration { source: MigrateError::Execute(source), .. } => is_absence(source),
            Self::Outdated { .. } => true,
            _ => false,
        }
    }
}

fn is_absence(error: &sqlx::Error) -> bool {
    match error {
        // Who hangs up half way, or speaks another language, may be a balancer whose server is away.
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut => true,
        // Connection exceptions, too many connections, shutting down or starting up (PostgreSQL error codes 08, 53, 57P).
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("53") || code.starts_with("57P"))
        }
        _ => false,
    }
}

impl Target {
    /// Reads `config_service.database_url`; unset, it is `config.db` in the data folder.
    ///
    /// # Errors
    ///
    /// [`OpenError::Url`].
    pub fn parse(database_url: Option<&str>, data_dir: &Path) -> Result<Self, OpenError> {
        let Some(url) = database_url else { return Ok(Self::Sqlite(data_dir.join("config.db"))) };
        if let Some(path) = url.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(secret::Url(url.to_owned())));
        }
        Err(OpenError::Url(ConfigError::new(
            "config_service.database_url is not understood: use sqlite://<path> or postgres://<user>@<host>:<port>/<database>",
        )))
    }

    /// Where it is, for people; without a password.
    pub fn place(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(url) => without_password(&url.0),
        }
    }
}

/// Opens a store, its schema up to date: brought there if need be, unless it is that of a server which does not let this
/// role do so (`switchboard migrate` as one that may).
///
/// # Errors
///
/// [`OpenError`].
pub async fn open(target: &Target) -> Result<Arc<dyn Store>, OpenError> {
    match target {
        Target::Sqlite(path) => Ok(Arc::new(SqlStore { engine: Sqlite::open(path).await? })),
        Target::Postgres(url) => Ok(Arc::new(SqlStore { engine: Postgres::open(&url.0, &target.place()).await? })),
    }
}

/// Brings the schema up to date. Safe to run twice and concurrently.
///
/// # Errors
///
/// [`OpenError`].
pub async fn migrate(target: &Target) -> Result<(), OpenError> {
    match target {
        Target::Sqlite(path) => Sqlite::open(path).await.map(|_| ()),
        Target::Postgres(url) => Postgres::migrate(&url.0, &target.place()).await,
    }
}

/// The place in a URL of a server. A `#`, `?` or `/` in a password that is not escaped ends the part that a password is looked
/// for in, so a URL that is not whole, or has an `@` behind that part, shows nothing.
fn without_password(url: &str) -> String {
    shown(url).unwrap_or_else(|| "postgres://…".to_owned())
}

fn shown(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    if host.is_empty() || rest.contains('@') || PgConnectOptions::from_str(url).is_err() {
        return None;
    }
    let user = user.split(':').next().filter(|user| !user.is_empty()).map(|user| format!("{user}@"));
    let database = rest.split(['?', '#']).next().unwrap_or_default();
    Some(format!("{scheme}://{}{host}{database}", user.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_file_in_the_data_folder() {
        let target = Target::parse(None, Path::new("/data")).unwrap();
        assert_eq!(target, Target::Sqlite(PathBuf::from("/data/config.db")));
        let target = Target::parse(Some("sqlite:///elsewhere/x.db"), Path::new("/data")).unwrap();
        assert_eq!(target, Target::Sqlite(PathBuf::from("/elsewhere/x.db")));
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = "postgres://sb:pass:w@rd@db.internal:5432/config?password=also";
        let target = Target::parse(Some(url), Path::new(".")).unwrap();
        for shown in [format!("{target:?}"), target.place()] {
            assert!(!shown.contains("pass") && shown.contains("postgres://sb@db.internal:5432/config"), "{shown}");
        }
        for password in ["Ab3#x9", "123#x9", "Ab3?x9", "123?x9", "123/x9"] {
            let target = Target::parse(Some(&format!("postgres://sb:{password}@db/config")), Path::new(".")).unwrap();
            assert_eq!(
                [format!("{target:?}"), target.place()],
                ["Postgres(postgres://…)", "postgres://…"],
                "{password}"
            );
        }
        let error = Target::parse(Some("mysql://u:secret@h/d"), Path::new(".")).unwrap_err().to_string();
        assert!(!error.contains("secret") && error.contains("use sqlite://"), "{error}");
    }
}
