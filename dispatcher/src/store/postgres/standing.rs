//! Connections that the writers keep for themselves: what commits hundreds of times a second finds the server process that
//! served it last, whose caches know its tables, and no pool asks after the connection in between.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions};
use tokio::time::{Instant, timeout};

use super::{
    connect::{ACQUIRE_TIMEOUT, PLANNED_ONCE, WRITER_LIFETIME, configure},
    month::Statements,
};

/// Connections beside the pools, as many as there are writers at once.
pub(super) struct Standing {
    options: PgConnectOptions,
    idle: Mutex<Vec<Kept>>,
}

/// A connection, until the plans that it has kept are to be made anew.
pub(super) struct Kept {
    pub(super) connection: PgConnection,
    /// For the months that there were when it was made.
    pub(super) statements: Statements,
    until: Instant,
    /// Until when what is written is expected to hold request ids that are taken.
    pub(super) repeats_until: Option<Instant>,
}

impl Standing {
    /// None yet.
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, idle: Mutex::default() }
    }

    /// The connection that was used last, or a new one. Whether it is still alive, a commit finds out by itself.
    pub(super) async fn take(&self) -> Result<Kept, sqlx::Error> {
        let kept = self.idle().pop();
        match kept {
            Some(kept) if Instant::now() < kept.until => Ok(kept),
            _ => timeout(ACQUIRE_TIMEOUT, self.connect()).await.map_err(|_| sqlx::Error::PoolTimedOut)?,
        }
    }

    /// Keeps it for the next time. One that is not kept, since nobody knows how it stands, is closed.
    pub(super) fn keep(&self, kept: Kept) {
        self.idle().push(kept);
    }

    async fn connect(&self) -> Result<Kept, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        configure(&mut connection, PLANNED_ONCE).await?;
        let statements = Statements::of(&mut connection).await?;
        Ok(Kept { connection, statements, until: Instant::now() + WRITER_LIFETIME, repeats_until: None })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
