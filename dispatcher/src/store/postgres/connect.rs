//! Connections: one pool that writes, one that reads.
//!
//! Plans are pinned. The tables are empty when a process first meets them and may be huge an hour later, and a plan that
//! was chosen for the first would scan the second. So whatever could scan or hash a whole table is ruled out, and each
//! statement is planned once, by its shape and not by today's statistics.

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::log::LevelFilter;

use crate::store::StoreError;

/// How long a caller waits for a connection. A lost server is told within this time.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// For every connection. A transaction that its client has forgotten must not hold its locks.
const SETTINGS: &str = "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'; \
    SET TimeZone = 'UTC'; SET jit = off; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off";

/// How many connections.
#[derive(Clone, Copy, Debug)]
pub struct PoolSizes {
    /// That commit. More than the one writer of the history needs only what claims and tidies beside it.
    pub writers: u32,
    /// That read.
    pub readers: u32,
}

/// Where the server is, from its URL.
///
/// # Errors
///
/// When the URL cannot be read.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options = PgConnectOptions::from_str(url)?
        .application_name("switchboard-dispatcher")
        .statement_cache_capacity(200)
        .log_statements(LevelFilter::Off)
        .log_slow_statements(LevelFilter::Warn, Duration::from_secs(1));
    Ok(options)
}

/// A pool. `test` asks a connection whether it is alive before it is handed out: one more round trip, which whoever reads
/// can afford; a commit finds out by itself.
pub(super) fn pool(options: PgConnectOptions, size: u32, test: bool) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(test)
        .after_connect(|connection, _| Box::pin(configure(connection)))
        .connect_lazy_with(options)
}

async fn configure(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SETTINGS).execute(connection).await.map(drop)
}
