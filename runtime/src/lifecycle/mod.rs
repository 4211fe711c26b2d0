//! Tracked tasks and a shutdown in two steps.
//!
//! The soft token ([`Lifecycle::draining`]) says: take no new work, finish what you have. The hard one
//! ([`Lifecycle::stopped`]) says: it is over. Three kinds of task:
//!
//! | kind | when it fails | shutdown |
//! | --- | --- | --- |
//! | [`spawn`](Lifecycle::spawn): the process is nothing without it | brings the process down | waits for it |
//! | [`spawn_detached`](Lifecycle::spawn_detached): one piece of work that outlives its caller | is logged | waits for it |
//! | [`spawn_attendant`](Lifecycle::spawn_attendant): serves until everything else has finished | brings the process down | stops it last |
//!
//! A stream that a client holds open keeps its server from finishing: whoever serves one ends it on the soft token.

mod signals;
mod task;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

pub use signals::Signals;

/// How long draining may take before the hard token is cancelled: what an orchestrator allows by default (30 s) less
/// the time that stopping takes.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(26);

/// How long a task may take to return once the hard token is cancelled.
const LAST_WORDS: Duration = Duration::from_secs(3);

type Name = Cow<'static, str>;

/// The life of one process, or of one test. Clones are the same life.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    soft: CancellationToken,
    hard: CancellationToken,
    work: TaskTracker,
    attendants: TaskTracker,
    /// Names of the critical tasks and attendants that have not returned.
    running: Mutex<Vec<Name>>,
    failure: Mutex<Option<String>>,
    grace: Duration,
}

impl Lifecycle {
    /// A life that has just begun, with [`DEFAULT_GRACE`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_grace(DEFAULT_GRACE)
    }

    /// The same with another grace.
    #[must_use]
    pub fn with_grace(grace: Duration) -> Self {
        Self {
            inner: Arc::new(Inner {
                soft: CancellationToken::new(),
                hard: CancellationToken::new(),
                work: TaskTracker::new(),
                attendants: TaskTracker::new(),
                running: Mutex::new(Vec::new()),
                failure: Mutex::new(None),
                grace,
            }),
        }
    }

    /// Cancelled when no new work may be taken.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.inner.soft.clone()
    }

    /// Whether no new work may be taken.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.soft.is_cancelled()
    }

    /// Cancelled when everything must end at once.
    #[must_use]
    pub fn stopped(&self) -> CancellationToken {
        self.inner.hard.clone()
    }

    /// Starts draining and returns at once; whoever waits in [`run_until_signal`](Self::run_until_signal) or
    /// [`wait`](Self::wait) goes on to shut down.
    pub fn begin_drain(&self) {
        self.inner.soft.cancel();
    }

    /// Ends everything at once.
    pub fn stop_now(&self) {
        self.inner.soft.cancel();
        self.inner.hard.cancel();
    }

    /// Starts a task without which the process is nothing. When it fails or panics, that is logged and the process
    /// drains and ends with failure.
    pub fn spawn<F>(&self, name: impl Into<Name>, future: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = task::critical(self.clone(), name.into(), future);
        self.inner.work.spawn(task);
    }

    /// Starts a task that serves the others until all of them have finished (health, metrics); it must return when the
    /// hard token is cancelled.
    pub fn spawn_attendant<F>(&self, name: impl Into<Name>, future: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let task = task::critical(self.clone(), name.into(), future);
        self.inner.attendants.spawn(task);
    }

    /// Starts a piece of work that goes on to its end even when nobody waits for the handle any more, and that
    /// shutdown waits for. A panic is logged, and is the handle's error.
    pub fn spawn_detached<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.work.spawn(task::detached(name, future))
    }

    /// Drains, waits for all work up to the grace, stops, waits for the rest. May be called by several.
    ///
    /// # Errors
    /// When a task had failed, or one does not return even when stopped.
    pub async fn shutdown(&self) -> anyhow::Result<()> {
        let inner = &*self.inner;
        inner.soft.cancel();
        inner.work.close();
        inner.attendants.close();
        tokio::select! {
            () = inner.work.wait() => {}
            () = inner.hard.cancelled() => {}
            () = tokio::time::sleep(inner.grace) => {
                let still = self.running().join(", ");
                warn!(still_running = still, grace = ?inner.grace, "not everything has finished in time, stopping it");
            }
        }
        inner.hard.cancel();
        let rest = async { tokio::join!(inner.work.wait(), inner.attendants.wait()) };
        let stuck = tokio::time::timeout(LAST_WORDS, rest).await.is_err();
        if let Some(failure) = &*lock(&inner.failure) {
            anyhow::bail!("{failure}");
        }
        if stuck {
            anyhow::bail!("did not stop: {}", self.running().join(", "));
        }
        info!("stopped");
        Ok(())
    }

    /// Waits until draining begins (a task has failed, or somebody asked for it), then shuts down.
    ///
    /// # Errors
    /// As [`shutdown`](Self::shutdown).
    pub async fn wait(&self) -> anyhow::Result<()> {
        self.inner.soft.cancelled().await;
        self.shutdown().await
    }

    /// Waits for SIGTERM or SIGINT, or until draining begins by itself, then shuts down. A second signal stops at once.
    ///
    /// # Errors
    /// As [`shutdown`](Self::shutdown).
    pub async fn run_until_signal(&self, mut signals: Signals) -> anyhow::Result<()> {
        tokio::select! {
            signal = signals.next() => info!(signal, "draining"),
            () = self.inner.soft.cancelled() => {}
        }
        let impatience = async {
            let signal = signals.next().await;
            warn!(signal, "second signal, stopping now");
            self.stop_now();
            std::future::pending::<std::convert::Infallible>().await
        };
        tokio::select! {
            ended = self.shutdown() => ended,
            never = impatience => match never {},
        }
    }

    fn running(&self) -> Vec<Name> {
        lock(&self.inner.running).clone()
    }

    fn entered(&self, name: &Name) {
        lock(&self.inner.running).push(name.clone());
    }

    fn left(&self, name: &Name) {
        let mut running = lock(&self.inner.running);
        if let Some(index) = running.iter().position(|other| other == name) {
            running.swap_remove(index);
        }
    }

    /// The first failure is the one that is reported; all are logged.
    fn failed(&self, name: &str, why: &str) {
        error!(task = name, error = why, "a task has died, the process ends");
        lock(&self.inner.failure).get_or_insert_with(|| format!("{name} has died: {why}"));
        self.inner.soft.cancel();
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
