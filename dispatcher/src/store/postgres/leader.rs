//! Who of the dispatchers that share this database looks after open messages: whoever holds an advisory lock.
//!
//! The lock belongs to a session and goes when it ends, however it ends: the process exits, its machine dies, the server
//! restarts. A leader that is cut off or hangs does not show itself, and the server ends its session.

use std::{io, time::Duration};

use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::sync::Mutex;

use crate::store::StoreError;

/// "reconcil", in bytes.
const LOCK: i64 = 0x7265_636f_6e63_696c;
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// After so long without a word the server gives the lock to somebody else: several times what lies between two words.
const SETTINGS: &str = "SET idle_session_timeout = '15s'; SET statement_timeout = '2s'";

/// A session that leads, or that asks whether it may.
pub(super) struct Candidate {
    options: PgConnectOptions,
    session: Mutex<Option<Session>>,
}

struct Session {
    connection: PgConnection,
    leads: bool,
}

impl Candidate {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options: options.application_name("switchboard-dispatcher-leader"), session: Mutex::default() }
    }

    /// Whether this one leads now; it does from now on if nobody did.
    pub(super) async fn leads(&self) -> Result<bool, StoreError> {
        let mut place = self.session.lock().await;
        // Taken out: a session that fails is dropped, and its lock with it.
        let session = place.take();
        let asked = tokio::time::timeout(PATIENCE, self.ask(session)).await;
        let session = asked.map_err(|_| sqlx::Error::from(io::Error::from(io::ErrorKind::TimedOut)))??;
        Ok(place.insert(session).leads)
    }

    async fn ask(&self, session: Option<Session>) -> Result<Session, sqlx::Error> {
        let mut session = match session {
            Some(session) => session,
            None => {
                let mut connection = PgConnection::connect_with(&self.options).await?;
                sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
                Session { connection, leads: false }
            }
        };
        if session.leads {
            // The lock is held as long as the session is.
            session.connection.ping().await?;
        } else {
            let locking = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK);
            session.leads = locking.fetch_one(&mut session.connection).await?;
        }
        Ok(session)
    }

    /// Leads no more.
    pub(super) async fn resign(&self) {
        let session = self.session.lock().await.take();
        if let Some(session) = session {
            // Dropped in any case, which ends it as well.
            let _ = tokio::time::timeout(PATIENCE, session.connection.close()).await;
        }
    }
}
