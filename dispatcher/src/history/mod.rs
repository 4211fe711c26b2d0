//! The history in front of its store: group commit, and the words in which the pipeline speaks of it.
//!
//! Writes that wait while a commit is under way go together in the next one. There is no timer: alone, a write is
//! committed at once; under load, batches grow by themselves.

mod health;
mod writer;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use switchboard_runtime::{Lifecycle, http::Check};
use tokio::sync::oneshot;

use self::{health::Health, writer::Queue};
use crate::{
    message::{Message, Settlement},
    store::{
        Fingerprint, ListQuery, NewMessage, SpokenFor, StatusOutcome, StatusUpdate, Store, StoreError, Write, Written,
    },
};

/// Messages and their past. Clones share the writers: one for what callers wait for, and others for what vendors report, so
/// that a flood of callbacks holds up no send.
#[derive(Clone)]
pub struct History {
    store: Arc<dyn Store>,
    sends: Queue,
    reports: Queue,
    health: Arc<Health>,
    patience: Duration,
}

/// A write, and who waits for it.
struct Job {
    write: Write,
    /// The message as whoever writes knows it, if anything is known.
    known: Option<Arc<Message>>,
    reply: Reply,
}

/// Who waits for a write.
type Reply = oneshot::Sender<Result<Written, HistoryError>>;

/// Writes that wait before callers have to. Callers hold an admission permit each, so this is never the bound.
const QUEUE: usize = 4096;

/// How long a caller waits for its record by default when the store is silent. An embedded one is as near as its disk.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a reader waits.
const READ_PATIENCE: Duration = Duration::from_secs(5);
/// How long a claim may take.
const CLAIM_PATIENCE: Duration = Duration::from_secs(15);

/// Why the history did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store failed; nothing was committed. What it said is in the log.
    #[error("the message history cannot be written or read now")]
    Unavailable,
    /// A stored row that makes no sense. What is wrong is in the log.
    #[error("a stored message cannot be read")]
    Inconsistent,
}

impl From<StoreError> for HistoryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Inconsistent { message_id, why } => {
                tracing::error!(message_id, why, "a stored message cannot be read");
                Self::Inconsistent
            }
            StoreError::NotOpen => Self::Unavailable,
            error => {
                tracing::error!(%error, "the message history failed");
                metrics::counter!("switchboard_history_errors_total").increment(1);
                Self::Unavailable
            }
        }
    }
}

/// What recording came to.
pub enum Recorded {
    /// A new message, as it is recorded.
    New(Arc<Message>),
    /// The same request had made this message before.
    Existing(Box<Message>),
    /// The request id had been used for something else.
    RequestIdReused {
        /// The message it made.
        message_id: String,
    },
}

/// A message after a write, and what has to be sent because of it.
pub struct Settled {
    /// The message as it stands now.
    pub message: Arc<Message>,
    /// A text that is recorded in its place and has to be sent.
    pub fallback: Option<Box<Message>>,
}

/// What became of a report.
pub struct ReportResult {
    /// The outcome.
    pub outcome: StatusOutcome,
    /// Our id; empty when parked.
    pub message_id: String,
    /// Where the message stands now.
    pub status: Option<crate::message::Status>,
    /// A text that is recorded in the message's place and has to be sent.
    pub fallback: Option<Box<Message>>,
    /// Whose message it spoke for without being allowed to.
    pub spoken_for: Option<SpokenFor>,
}

impl History {
    /// Starts the writers. They outlive all work, so that nothing that waits is lost in a shutdown.
    pub fn start(store: Arc<dyn Store>, lifecycle: &Lifecycle) -> Self {
        let start = |name, writers| Queue::start(name, QUEUE, writers, &store, lifecycle);
        // Sends are one statement, and one batch after the other of them is the quickest. Reports are read first: while one
        // batch is on its way, another is in the database.
        let (sends, reports) = (start("history writer of sends", 1), start("history writers of reports", 2));
        Self { sends, reports, store, health: Arc::default(), patience: PATIENCE }
    }

    /// The same, but with another bound on how long a caller waits for its record when the store has fallen silent. One
    /// that is slow, but answers, is waited for.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Starts asking the store whether it answers, until the process drains: `check` says so, and while it does not,
    /// records and reports are refused at once.
    pub fn watch_health(&self, check: Check, lifecycle: &Lifecycle) {
        let (draining, store, health) = (lifecycle.draining(), Arc::clone(&self.store), Arc::clone(&self.health));
        let quick = self.patience / 2;
        lifecycle.spawn("history health", async move {
            draining.run_until_cancelled(health.watch(|| store.ping(), &check, quick)).await;
            Ok(())
        });
    }

    /// Records a message. It is committed when this returns.
    ///
    /// # Errors
    ///
    /// Nothing was recorded.
    pub async fn record(&self, new: NewMessage) -> Result<Recorded, HistoryError> {
        self.answers()?;
        let written = tokio::select! {
            biased;
            written = write(&self.sends, Write::Record(Box::new(new)), None) => written,
            // Given up, it is not written any more, unless that had begun: then nobody calls the vendor for it but
            // reconciliation, which asks first.
            () = self.falls_silent() => return Err(HistoryError::Unavailable),
        };
        match written? {
            Written::Recorded(message) => Ok(Recorded::New(message)),
            Written::Existing(message) => Ok(Recorded::Existing(message)),
            Written::RequestIdReused { message_id } => Ok(Recorded::RequestIdReused { message_id }),
            _ => Err(HistoryError::Inconsistent),
        }
    }

    /// Writes what a send came to, and returns the message as it stands then.
    ///
    /// # Errors
    ///
    /// Nothing was written.
    pub async fn settle(
        &self,
        message_id: &str,
        settlement: Settlement,
        at: DateTime<Utc>,
    ) -> Result<Settled, HistoryError> {
        self.settle_as(message_id, None, settlement, at).await
    }

    /// The same for a message that has just been recorded or settled here: if it still stands as it is `known`, which it
    /// nearly always does, it is not read again.
    ///
    /// # Errors
    ///
    /// Nothing was written.
    pub async fn settle_known(
        &self,
        known: &Arc<Message>,
        settlement: Settlement,
        at: DateTime<Utc>,
    ) -> Result<Settled, HistoryError> {
        self.settle_as(&known.id, Some(Arc::clone(known)), settlement, at).await
    }

    async fn settle_as(
        &self,
        message_id: &str,
        known: Option<Arc<Message>>,
        settlement: Settlement,
        at: DateTime<Utc>,
    ) -> Result<Settled, HistoryError> {
        match write(&self.sends, Write::Settle { message_id: message_id.to_owned(), settlement, at }, known).await? {
            Written::Settled { message, fallback } => Ok(Settled { message, fallback }),
            _ => Err(HistoryError::Inconsistent),
        }
    }

    /// Applies what a vendor reported. It is committed when this returns.
    ///
    /// # Errors
    ///
    /// Nothing was written.
    pub async fn report(&self, update: StatusUpdate) -> Result<ReportResult, HistoryError> {
        self.answers()?;
        match write(&self.reports, Write::Report(Box::new(update)), None).await? {
            Written::Reported { outcome, message_id, status, fallback, spoken_for } => {
                Ok(ReportResult { outcome, message_id, status, fallback, spoken_for })
            }
            _ => Err(HistoryError::Inconsistent),
        }
    }

    /// Lets a message that its vendor was proved not to have be sent once more; `None`: the claim was lost, or it was
    /// sent once more before.
    ///
    /// # Errors
    ///
    /// Nothing was written.
    pub async fn resend(
        &self,
        message_id: &str,
        claim: u32,
        at: DateTime<Utc>,
    ) -> Result<Option<Message>, HistoryError> {
        match write(&self.reports, Write::Resend { message_id: message_id.to_owned(), claim, at }, None).await? {
            Written::Settled { message, .. } => Ok(Some(Arc::unwrap_or_clone(message))),
            Written::ClaimLost => Ok(None),
            _ => Err(HistoryError::Inconsistent),
        }
    }

    /// Claims messages that somebody must look after by now.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn claim_due(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Message>, HistoryError> {
        self.read(CLAIM_PATIENCE, self.store.claim_due(now, limit)).await
    }

    /// One message.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn message(&self, message_id: &str) -> Result<Option<Message>, HistoryError> {
        self.read(READ_PATIENCE, self.store.message(message_id)).await
    }

    /// The message that a request id made.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn by_request_id(
        &self,
        organization_id: &str,
        request_id: &str,
    ) -> Result<Option<(Message, Fingerprint)>, HistoryError> {
        self.read(READ_PATIENCE, self.store.by_request_id(organization_id, request_id)).await
    }

    /// A page of messages, newest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn list(&self, query: &ListQuery) -> Result<Vec<Message>, HistoryError> {
        self.read(READ_PATIENCE, self.store.list(query)).await
    }

    /// Returns when a write takes long and the store does not say either that it is there.
    async fn falls_silent(&self) {
        tokio::time::sleep(self.patience / 2).await;
        self.health.doubt();
        self.health.is_lost().await;
    }

    fn answers(&self) -> Result<(), HistoryError> {
        if self.health.is_away() { Err(HistoryError::Unavailable) } else { Ok(()) }
    }

    /// What is asked of the store itself, within a bound: a connection that has fallen silent stays so.
    async fn read<T>(
        &self,
        patience: Duration,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, HistoryError> {
        self.answers()?;
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                tracing::error!(?patience, "the message history has not answered in time");
                Err(HistoryError::Unavailable)
            }
        }
    }

    /// How many writes of each kind wait.
    pub fn waiting(&self) -> [(&'static str, usize); 2] {
        [("sends", self.sends.waiting()), ("reports", self.reports.waiting())]
    }
}

async fn write(queue: &Queue, write: Write, known: Option<Arc<Message>>) -> Result<Written, HistoryError> {
    let (reply, written) = oneshot::channel();
    if !queue.push(Job { write, known, reply }).await {
        return Err(HistoryError::Unavailable);
    }
    written.await.map_err(|_| HistoryError::Unavailable)?
}
