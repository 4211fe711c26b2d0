//! The writers: they commit what waits, again and again.

mod batch;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use switchboard_runtime::Lifecycle;
use tokio::{
    sync::{Mutex, mpsc},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use self::batch::Batch;
use super::{HistoryError, Job};
use crate::store::{Store, Write};

/// Writes in one transaction at most.
const LARGEST_BATCH: usize = 512;

/// How long writes wait behind one batch before others are made up beside it: it may be waiting for another replica. Sooner
/// it does not pay, for batches that are committed at the same time get into each other's way.
const STUCK: Duration = Duration::from_millis(100);

/// Where writes of one kind wait. Clones are the same queue.
#[derive(Clone)]
pub(super) struct Queue(mpsc::Sender<Job>);

impl Queue {
    /// Starts so many writers over a new queue that holds so much at most, and one more that helps out when they are stuck. They
    /// outlive all work, so that nothing that waits is lost in a shutdown: once stopped they take nothing new, but still commit
    /// what they have.
    pub(super) fn start(
        name: &'static str,
        capacity: usize,
        writers: usize,
        store: &Arc<dyn Store>,
        lifecycle: &Lifecycle,
    ) -> Self {
        let (sender, jobs) = mpsc::channel(capacity);
        let writer = Writer {
            store: Arc::clone(store),
            jobs: Arc::new(Mutex::new(jobs)),
            batches: Arc::default(),
            stopped: lifecycle.stopped(),
        };
        for _ in 0..writers {
            lifecycle.spawn_attendant(name, writer.clone().commit_all());
        }
        lifecycle.spawn_attendant(name, writer.help_out());
        Self(sender)
    }

    /// Adds a write, as soon as there is room; `false`: nothing is written any more.
    pub(super) async fn push(&self, job: Job) -> bool {
        self.0.send(job).await.is_ok()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }
}

/// Takes what waits, and commits it.
#[derive(Clone)]
struct Writer {
    store: Arc<dyn Store>,
    jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    /// How many the writers have begun.
    batches: Arc<AtomicU64>,
    stopped: CancellationToken,
}

impl Writer {
    /// Commits whatever waits, again and again, until nobody can write any more.
    async fn commit_all(self) -> anyhow::Result<()> {
        let mut waiting = Vec::with_capacity(LARGEST_BATCH);
        while self.take(&mut waiting).await {
            self.batches.fetch_add(1, Ordering::Relaxed);
            self.commit(&mut waiting).await;
        }
        Ok(())
    }

    /// Commits what waits while the others are stuck with what they have.
    async fn help_out(self) -> anyhow::Result<()> {
        let mut waiting = Vec::with_capacity(LARGEST_BATCH);
        let mut known = 0;
        while self.stopped.run_until_cancelled(sleep(STUCK)).await.is_some() {
            let before = known;
            known = self.batches.load(Ordering::Relaxed);
            while known == before && self.take_ready(&mut waiting) {
                self.commit(&mut waiting).await;
                known = self.batches.load(Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Takes what is there, unless another one is about to; `false`: nothing.
    fn take_ready(&self, waiting: &mut Vec<Job>) -> bool {
        let Ok(mut jobs) = self.jobs.try_lock() else { return false };
        while waiting.len() < LARGEST_BATCH
            && let Ok(job) = jobs.try_recv()
        {
            waiting.push(job);
        }
        !waiting.is_empty()
    }

    /// Waits until there is something; `false`: there will be nothing any more.
    async fn take(&self, waiting: &mut Vec<Job>) -> bool {
        let mut jobs = self.jobs.lock().await;
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

/// The long way: everything that the writes need is locked and read first. One that cannot be stored, whatever let it come
/// so far, fails alone.
async fn commit(store: &dyn Store, jobs: Vec<Job>) {
    let (writes, replies): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.write, job.reply)).unzip();
    match store.commit(writes.clone()).await {
        // A caller that is gone has lost its answer, not its write.
        Ok(written) => replies.into_iter().zip(written).for_each(|(reply, written)| drop(reply.send(Ok(written)))),
        Err(error) if error.is_about_one() && replies.len() > 1 => {
            for (write, reply) in writes.into_iter().zip(replies) {
                let written = store.commit(vec![write]).await.map(|mut written| written.pop());
                let one = written.map_err(HistoryError::from).and_then(|one| one.ok_or(HistoryError::Unavailable));
                drop(reply.send(one));
            }
        }
        Err(error) => {
            let error = HistoryError::from(error);
            replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone()))));
        }
    }
}
