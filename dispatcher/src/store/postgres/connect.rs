//! Connections: one pool that writes, one that reads. The usual batches have connections of their own (`standing.rs`).
//!
//! A month's table is empty when it is first planned for and may be huge a minute later, and a plan that was chosen for
//! the one would scan the other. So nothing that could read a whole table is ever chosen.
//!
//! - What writes finds rows by their keys. It is planned once, and anew with each connection, of which none grows old. An
//!   index may only be asked by a bitmap, which needs a key: along an index one could also walk from end to end, and in a
//!   table that is said to be empty that seems to cost the same.
//! - What walks along an index, as far as it must, is planned each time, by the size of the day.

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::log::LevelFilter;

use crate::store::StoreError;

/// How long a caller waits for a connection. A lost server is told within this time.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// What connections that are alike in all but their purpose have in common. A transaction that its client has forgotten
/// must not hold its locks.
const SETTINGS: &str = "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'; \
    SET TimeZone = 'UTC'; SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; \
    SET enable_mergejoin = off;";
/// How long a connection that writes lives, and a plan with it.
pub(super) const WRITER_LIFETIME: Duration = Duration::from_secs(300);
/// What finds rows by their keys, for all keys.
pub(super) const PLANNED_ONCE: &str =
    "SET plan_cache_mode = force_generic_plan; SET enable_indexscan = off; SET enable_indexonlyscan = off";

/// What reads is planned each time. Pages come in the order of an index by time and are only put in order where times are
/// the same, which is no full sort: a plan that reads all there is and sorts it may look cheaper for a young month.
pub(super) const PLANNED_EACH_TIME: &str =
    "SET plan_cache_mode = force_custom_plan; SET enable_bitmapscan = off; SET enable_sort = off";

/// A transaction on a connection that writes, for what walks along an index. Its statements must not be kept.
pub(super) const IN_ORDER: &str = "BEGIN; SET LOCAL enable_indexscan = on; SET LOCAL enable_bitmapscan = off";

/// In such a transaction, for what finds rows by their keys again.
pub(super) const BY_KEY: &str = "SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = on";

/// How many connections.
#[derive(Clone, Copy, Debug)]
pub struct PoolSizes {
    /// That claim, tidy, and commit what goes the long way. The usual batches have connections of their own.
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

/// Connections that write. Whether one is still alive, a commit finds out by itself: asking first would cost it a round
/// trip.
pub(super) fn writers(options: PgConnectOptions, size: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(WRITER_LIFETIME)
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(configure(connection, PLANNED_ONCE)))
        .connect_lazy_with(options)
}

/// Connections that read.
pub(super) fn readers(options: PgConnectOptions, size: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| Box::pin(configure(connection, PLANNED_EACH_TIME)))
        .connect_lazy_with(options)
}

pub(super) async fn configure(connection: &mut PgConnection, planning: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(SETTINGS).execute(&mut *connection).await?;
    sqlx::raw_sql(planning).execute(connection).await.map(drop)
}
