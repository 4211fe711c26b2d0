//! Where messages are kept.
//!
//! [`Store`] speaks the domain: it commits [`Write`]s, each a thing that happened to a message, many in one transaction
//! (group commit), and it answers what the services ask. What a write *does* is decided in one place for every engine,
//! [`ledger`]; an engine loads what the ledger needs, lets it decide, and stores what it decided.
//!
//! To add an engine: implement [`Store`] over [`ledger::Ledger`], add its migrations, and add one line to the list of the
//! conformance suite.

mod backoff;
mod callbacks;
mod census;
mod late;
pub mod ledger;
mod open;
pub mod postgres;
mod presumed;
mod retention;
pub mod sqlite;
mod stored;
mod writes;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use switchboard_providers::model::Channel;
use switchboard_runtime::{private_file::PrivateFileError, telemetry::PoolUse};

use crate::message::{Message, Status};

pub use callbacks::{Callbacks, Noted, QuarantineQuery, Quarantined, Refusal, Room, Signer, Unreadable};
pub use census::{Census, Open};
pub use late::LateStore;
pub use ledger::Update;
pub use open::Target;
pub use presumed::Presumed;
pub use retention::{Forgotten, Terms};
pub use writes::{NewMessage, SpokenFor, StatusOutcome, StatusUpdate, Write, Written};

/// Where messages are kept.
#[async_trait]
pub trait Store: Callbacks + Send + Sync + 'static {
    /// Commits writes, each whole and in their order. What each came to, in the same order.
    ///
    /// # Errors
    ///
    /// Nothing was committed; of reports, which may be repeated at will, some may have been.
    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>, StoreError>;

    /// Writes all of which what is presumed holds, in one transaction. The ids of the messages of which it does not hold,
    /// in any order: of these nothing was written.
    ///
    /// # Errors
    ///
    /// Whether anything was committed is not known.
    async fn presume(&self, presumed: &Presumed) -> Result<Vec<String>, StoreError>;

    /// How long after its last move a message must be looked after.
    fn reconcile_after(&self) -> Duration;

    /// One message.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    async fn message(&self, message_id: &str) -> Result<Option<Message>, StoreError>;

    /// The message that a request id made, with the fingerprint of its content.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    async fn by_request_id(
        &self,
        organization_id: &str,
        request_id: &str,
    ) -> Result<Option<(Message, Fingerprint)>, StoreError>;

    /// A page of an organisation's messages, newest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    async fn list(&self, query: &ListQuery) -> Result<Vec<Message>, StoreError>;

    /// Claims messages that somebody must look after by now, the longest due first: each comes back with its `checks` one
    /// higher, which is the claim, and due again later, by a back-off that doubles with every claim and has some jitter.
    /// No two callers get the same claim. Images come along.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    async fn claim_due(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Message>, StoreError>;

    /// Keeps house: makes room for the time to come, and forgets what need not be kept any longer, at most `batch` rows of
    /// each kind. Where one part of it can fail alone, the others are done all the same, and the failures counted.
    ///
    /// # Errors
    ///
    /// When the store cannot be written; some of it may have been done.
    async fn tidy(&self, now: DateTime<Utc>, terms: &Terms, batch: u32) -> Result<Forgotten, StoreError>;

    /// How much is open and set aside. Never reads the whole history.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    async fn census(&self, now: DateTime<Utc>) -> Result<Census, StoreError>;

    /// Whether this process is the one, of all that share the store, that looks after open messages. It is from now on if
    /// nobody was; who does not ask for some seconds may lose it to another.
    ///
    /// # Errors
    ///
    /// When that cannot be found out: then it is not.
    async fn lead(&self) -> Result<bool, StoreError>;

    /// Lets another process look after open messages.
    async fn resign(&self);

    /// Whether the store answers.
    ///
    /// # Errors
    ///
    /// Why it does not.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Its connections to the engine now.
    fn pools(&self) -> Vec<PoolUse>;
}

/// SHA-256 over a request's content.
pub type Fingerprint = [u8; 32];

/// A page of messages to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Whose messages.
    pub organization_id: String,
    /// Any of these; empty: all.
    pub statuses: Vec<Status>,
    /// Carried by this vendor.
    pub provider: Option<String>,
    /// Sent to this number, E.164.
    pub to: Option<String>,
    /// Of this kind.
    pub channel: Option<Channel>,
    /// Recorded at or after.
    pub created_from: Option<DateTime<Utc>>,
    /// Recorded before.
    pub created_before: Option<DateTime<Utc>>,
    /// Only what is not final.
    pub open_only: bool,
    /// Everything older than this message: its time and id.
    pub after: Option<(DateTime<Utc>, String)>,
    /// At most so many.
    pub limit: u32,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine failed or cannot be reached; nothing was committed.
    #[error("the history cannot be reached or failed: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// The embedded engine's file cannot be made.
    #[error("the history has no file: {0}; name a place where this user may write")]
    NoFile(#[from] PrivateFileError),
    /// A row that makes no sense.
    #[error("message {message_id} is stored in a form that makes no sense: {why}")]
    Inconsistent {
        /// Which.
        message_id: String,
        /// What is wrong with it.
        why: String,
    },
    /// It was not there when this process started, and has not come yet; nothing was committed.
    #[error("the history is not open yet")]
    NotOpen,
    /// The schema could not be brought up to date.
    #[error("the history's schema cannot be migrated: {0}")]
    Migration(sqlx::migrate::MigrateError),
    /// The schema is older than this version, and this role may not change it, or may not use it yet.
    #[error(
        "the history's schema is older than this version or not granted to this role: run `switchboard migrate`, then the grants"
    )]
    Outdated,
    /// A migration is not the one that was applied.
    #[error(
        "migration {0} of the history was edited after it had been applied: run the release that this database was made with, or restore the file"
    )]
    Edited(i64),
}

impl StoreError {
    /// Whether it is about one write, something in it or what is stored for it: others that came with it may go through
    /// without it.
    pub fn is_about_one(&self) -> bool {
        // Data exceptions and exceeded limits; SQLite's codes, which are shorter, have no such classes
        // (<https://www.postgresql.org/docs/15/errcodes-appendix.html>).
        const CLASSES: [&str; 2] = ["22", "54"];
        match self {
            Self::Inconsistent { .. } => true,
            Self::Unavailable(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| code.len() == 5 && CLASSES.iter().any(|class| code.starts_with(class)))
            }
            _ => false,
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::VersionMismatch(version) => Self::Edited(version),
            error => Self::Migration(error),
        }
    }
}
