//! The embedded engine: one file, WAL, `synchronous=FULL`.
//!
//! One connection writes (`BEGIN IMMEDIATE`), a pool reads; in WAL mode readers never wait for the writer.

mod audit;
mod configs;
mod keys;
mod nodes;
mod organizations;
mod routing;
mod rows;
mod watch;
mod writing;

use std::{path::Path, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{OpenError, migrations};

/// How long to wait for another process that writes, a key rotation say.
const BUSY: Duration = Duration::from_secs(10);
/// Connections that read: queries, and the snapshots that are being streamed.
const READERS: u32 = 12;

/// The store in a file. Clones share it.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, makes it when it is not there, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let place = path.display().to_string();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let unusable = |source| OpenError::Folder { path: path.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(unusable)?;
        make_private(path).map_err(unusable)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let unreachable = |source| OpenError::Unreachable { place: place.clone(), source };
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await;
        let writer = writer.map_err(unreachable)?;
        let mut connection = writer.acquire().await.map_err(unreachable)?;
        migrations::sqlite()
            .run_direct(None, &mut *connection, false)
            .await
            .map_err(|source| OpenError::Migration { place: place.clone(), source })?;
        drop(connection);
        let readers =
            SqlitePoolOptions::new().max_connections(READERS).connect_with(options.pragma("query_only", "ON")).await;
        Ok(Self { writer, readers: readers.map_err(unreachable)? })
    }
}

/// Makes a new file with mode 0600; SQLite gives its companions the same. One that exists keeps its mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
