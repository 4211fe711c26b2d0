//! The store, in the SQL that both engines read. How an engine connects, locks and keeps values is its own affair
//! ([`Engine`]); everything else is said here, once.

mod audit;
mod configs;
mod documents;
mod keys;
mod listing;
mod meta;
mod nodes;
mod organizations;
mod routing;
mod rows;
mod statement;
mod watch;
mod writing;

use async_trait::async_trait;
use switchboard_runtime::telemetry::PoolUse;

use super::{Connections, Result};

pub(super) use rows::Columns;
pub(super) use statement::{Statement, Value};

/// What the engines do differently.
#[async_trait]
pub(super) trait Engine: Send + Sync + 'static {
    type Row: Columns + Send + Sync;
    type Transaction: Transaction<Row = Self::Row>;

    /// The function that tells the position of a text in another, 0 when it is not there.
    const POSITION: &'static str;
    /// What makes a `SELECT` lock the rows it reads, where beginning to write does not lock already.
    const LOCK: &'static str;

    /// The rows of one statement that reads.
    async fn rows(&self, statement: Statement) -> Result<Vec<Self::Row>>;

    /// Begins to read; everything is as of one moment.
    async fn read(&self) -> Result<Self::Transaction>;

    /// Begins to write.
    async fn write(&self) -> Result<Self::Transaction>;

    /// Begins to write something whose loss in a crash harms nobody.
    async fn note(&self) -> Result<Self::Transaction>;

    /// The connections that are open now.
    fn pools(&self) -> Vec<PoolUse>;
}

/// A transaction. Dropped before its commit, it has never been.
#[async_trait]
pub(super) trait Transaction: Send + 'static {
    type Row: Columns + Send + Sync;

    /// The rows of a statement.
    async fn rows(&mut self, statement: Statement) -> Result<Vec<Self::Row>>;

    /// Carries a statement out; says how many rows it changed.
    async fn execute(&mut self, statement: Statement) -> Result<u64>;

    /// Makes it so.
    async fn commit(self) -> Result<()>;
}

/// The store over an engine.
#[derive(Debug)]
pub(super) struct SqlStore<E> {
    pub engine: E,
}

impl<E: Engine> Connections for SqlStore<E> {
    fn pools(&self) -> Vec<PoolUse> {
        self.engine.pools()
    }
}

/// The row of a statement that always has one.
fn one<R>(rows: Vec<R>) -> Result<R> {
    Ok(rows.into_iter().next().ok_or(sqlx::Error::RowNotFound)?)
}
