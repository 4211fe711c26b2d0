//! Which engine, from the settings.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use futures::{FutureExt as _, future::BoxFuture};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::migrate::MigrateError;
use switchboard_runtime::{config::ConfigError, dependency::Unreached};

use super::{
    Store, StoreError,
    postgres::{PoolSizes, PostgresStore},
    sqlite::SqliteStore,
};

/// Where the history is kept.
#[derive(Clone)]
pub enum Target {
    /// A file, made when it is not there.
    Sqlite(PathBuf),
    /// A server, which may come later.
    Postgres {
        /// Where; it may hold a password.
        url: SecretString,
        /// How many connections to it.
        pools: PoolSizes,
    },
}

impl Target {
    /// Reads `dispatcher.database_url`; unset, it is `dispatcher.db` in the data folder.
    ///
    /// # Errors
    ///
    /// When it is no address. Errors do not show it: it may hold a password.
    pub fn parse(database_url: Option<&str>, data_dir: &Path, pools: PoolSizes) -> anyhow::Result<Self> {
        let Some(url) = database_url else { return Ok(Self::Sqlite(data_dir.join("dispatcher.db"))) };
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            PostgresStore::check_url(url).context(ConfigError::new(
                "dispatcher.database_url is no address of a PostgreSQL database: use postgres://USER@HOST:PORT/DATABASE",
            ))?;
            return Ok(Self::Postgres { url: url.into(), pools });
        }
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            _ => Err(ConfigError::new(
                "dispatcher.database_url is not an address this version can open: use sqlite://PATH or postgres://HOST/DATABASE",
            )
            .into()),
        }
    }

    /// Opens it, its schema up to date.
    ///
    /// # Errors
    ///
    /// Why it cannot be opened, and whether waiting may help.
    pub fn open(self, reconcile_after: Duration) -> BoxFuture<'static, Result<Arc<dyn Store>, Unreached>> {
        async move { self.try_open(reconcile_after).await }.boxed()
    }

    /// Brings its schema up to date, or says why it cannot.
    ///
    /// # Errors
    ///
    /// What is wrong with the database or with the role that the address names.
    pub async fn migrate(self, reconcile_after: Duration) -> anyhow::Result<()> {
        match &self {
            // Opening a file migrates it.
            Self::Sqlite(_) => match self.try_open(reconcile_after).await {
                Ok(_) => Ok(()),
                Err(Unreached::Absent(why) | Unreached::Wrong(why)) => Err(why),
            },
            Self::Postgres { url, .. } => {
                let migrated = PostgresStore::migrate(url.expose_secret()).await;
                migrated.context("dispatcher.database_url: the PostgreSQL database cannot be migrated")
            }
        }
    }

    async fn try_open(self, reconcile_after: Duration) -> Result<Arc<dyn Store>, Unreached> {
        match self {
            Self::Sqlite(path) => match SqliteStore::open(&path, reconcile_after).await {
                Ok(store) => Ok(Arc::new(store)),
                Err(error) => Err(Unreached::Wrong(
                    anyhow::Error::new(error)
                        .context(format!("dispatcher.database_url: the database {} cannot be opened", path.display())),
                )),
            },
            Self::Postgres { url, pools } => {
                match PostgresStore::open(url.expose_secret(), pools, reconcile_after).await {
                    Ok(store) => Ok(Arc::new(store)),
                    Err(error) if may_come(&error) => Err(Unreached::Absent(error.into())),
                    Err(error) => {
                        let why = "dispatcher.database_url: the PostgreSQL database cannot be opened";
                        Err(Unreached::Wrong(anyhow::Error::new(error).context(why)))
                    }
                }
            }
        }
    }
}

/// Whether a server that failed like this may serve later without a change of the settings.
fn may_come(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(error) => is_absence(error),
        StoreError::Migration(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            is_absence(error)
        }
        // Somebody must bring it up to date, and may do so meanwhile.
        StoreError::Outdated => true,
        _ => false,
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

#[cfg(test)]
mod tests {
    use std::{io::Write as _, net::TcpListener};

    use super::*;

    async fn opened(port: u16) -> Result<Arc<dyn Store>, Unreached> {
        let url = format!("postgres://somebody:geheim@127.0.0.1:{port}/history");
        let pools = PoolSizes { writers: 2, readers: 1 };
        Target::parse(Some(&url), Path::new("."), pools).unwrap().open(Duration::from_secs(30)).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_that_is_not_there_or_hangs_up_half_way_may_come() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(matches!(opened(closed).await, Err(Unreached::Absent(_))));
        for greeting in ["", "N", "\0", "HTTP/1.1 503 Service Unavailable\r\n\r\n"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            std::thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    // The client may have hung up first.
                    let _ = { client }.write_all(greeting.as_bytes());
                }
            });
            match opened(port).await {
                Err(Unreached::Absent(why)) => assert!(!format!("{why:#}").contains("geheim"), "{why:#}"),
                Err(Unreached::Wrong(why)) => panic!("{greeting:?} is waited for: {why:#}"),
                Ok(_) => panic!("{greeting:?} is no server"),
            }
        }
    }

    #[test]
    fn what_is_no_address_is_wrong_at_once() {
        let pools = PoolSizes { writers: 2, readers: 1 };
        for url in ["mysql://u:geheim@h/d", "sqlite://", "postgres://u:geheim@h:port/d"] {
            let why = Target::parse(Some(url), Path::new("."), pools).err().map(|why| format!("{why:#}"));
            let why = why.unwrap_or_else(|| panic!("{url} is taken for an address"));
            assert!(why.contains("dispatcher.database_url") && !why.contains("geheim"), "{why}");
        }
    }
}
