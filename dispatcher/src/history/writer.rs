//! The writers: they commit what waits, again and again.

mod batch;

use std::{sync::Arc, time::Duration};

use switchboard_runtime::Lifecycle;
use tokio::{
    sync::{Mutex, Notify, mpsc},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use self::batch::Batch;
use super::{HistoryError, Job};
use crate::store::{Store, Write};

/// Writes in one transaction at most.
const LARGEST_BATCH: usize = 512;

/// Writes that wait before a second batch is made up beside one that is being committed: for fewer it does not pay.
const ENOUGH: usize = 48;
/// How often it is looked whether fewer wait all the same: the first batch may be waiting for another replica.
const LOOK: Duration = Duration::from_millis(100);

/// Where writes of one kind wait. Clones are the same queue.
#[derive(Clone)]
pub(super) struct Queue {
    jobs: mpsc::Sender<Job>,
    enough: Arc<Notify>,
}

impl Queue {
    /// Starts two writers over a new queue that holds so many at most. They outlive all work, so that nothing that waits is
    /// lost in a shutdown: once stopped they take nothing new, but still commit what they have.
    pub(super) fn start(name: &'static str, capacity: usize, store: &Arc<dyn Store>, lifecycle: &Lifecycle) -> Self {
        let (sender, jobs) = mpsc::channel(capacity);
        let writer =
            Writer { store: Arc::clone(store), jobs: Arc::new(Mutex::new(jobs)), stopped: lifecycle.stopped() };
        let enough = Arc::new(Notify::new());
        lifecycle.spawn_attendant(name, writer.clone().commit_all());
        lifecycle.spawn_attendant(name, writer.commit_beside(Arc::clone(&enough)));
        Self { jobs: sender, enough }
    }

    /// Adds a write, as soon as there is room; `false`: nothing is written any more.
    pub(super) async fn push(&self, job: Job) -> bool {
        let taken = self.jobs.send(job).await.is_ok();
        if self.waiting() >= ENOUGH {
            self.enough.notify_one();
        }
        taken
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }
}

/// Takes what waits, and commits it.
#[derive(Clone)]
struct Writer {
    store: Arc<dyn Store>,
    jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    stopped: CancellationToken,
}

impl Writer {
    /// Commits whatever waits, again and again, until nobody can write any more.
    async fn commit_all(self) -> anyhow::Result<()> {
        let mut waiting = Vec::with_capacity(LARGEST_BATCH);
        while self.take(&mut waiting).await {
            self.commit(&mut waiting).await;
        }
        Ok(())
    }

    /// Commits what waits while the other one is busy: at once if that is enough to pay, and a little later if it is not.
    async fn commit_beside(self, enough: Arc<Notify>) -> anyhow::Result<()> {
        let mut waiting = Vec::with_capacity(LARGEST_BATCH);
        while let Some(woken) = self.stopped.run_until_cancelled(timeout(LOOK, enough.notified())).await {
            // Who holds it is about to take them.
            let Ok(mut jobs) = self.jobs.try_lock() else { continue };
            if jobs.is_empty() || (woken.is_ok() && jobs.len() < ENOUGH) {
                continue;
            }
            while waiting.len() < LARGEST_BATCH
                && let Ok(job) = jobs.try_recv()
            {
                waiting.push(job);
            }
            drop(jobs);
            self.commit(&mut waiting).await;
        }
        Ok(())
    }

    /// Waits until there is something; `false`: there will be nothing any more.
    async fn take(&self, waiting: &mut Vec<Job>) -> bool {
        let mut jobs = self.jobs.lock().await;
        gather(&jobs).await;
        loop {
            tokio::select! {
                biased;
                received = jobs.recv_many(waiting, LARGEST_BATCH) => return received > 0,
                () = self.stopped.cancelled(), if !jobs.is_closed() => jobs.close(),
            }
        }
    }

    async fn commit(&self, waiting: &mut Vec<Job>) {
        let (store, size) = (&*self.store, waiting.len());
        // Who waited for it has been told that there is no message, so none may be made now.
        waiting.retain(|job: &Job| !(matches!(job.write, Write::Record(_)) && job.reply.is_closed()));
        let begun = Instant::now();
        let (batch, mut rest) = Batch::of(waiting.drain(..), store.reconcile_after());
        rest.extend(batch.commit(store).await);
        if !rest.is_empty() {
            commit(store, rest).await;
        }
        metrics::histogram!("switchboard_history_commit_seconds").record(begun.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most a few hundred writes")]
        metrics::histogram!("switchboard_history_batch_size").record(size as f64);
    }
}

/// Lets whoever is just about to write come along: what else is ready to run goes first, as long as it brings half as much
/// again. For a trickle nobody waits.
async fn gather(jobs: &mpsc::Receiver<Job>) {
    let mut waiting = jobs.len();
    loop {
        tokio::task::yield_now().await;
        let now = jobs.len();
        if now <= waiting + waiting / 2 || now >= LARGEST_BATCH {
            return;
        }
        waiting = now;
    }
}

/// The long way: everything that the writes need is locked and read first.
async fn commit(store: &dyn Store, jobs: Vec<Job>) {
    let (writes, replies): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.write, job.reply)).unzip();
    match store.commit(writes).await {
        // A caller that is gone has lost its answer, not its write.
        Ok(written) => replies.into_iter().zip(written).for_each(|(reply, written)| drop(reply.send(Ok(written)))),
        Err(error) => {
            let error = HistoryError::from(error);
            replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone()))));
        }
    }
}
