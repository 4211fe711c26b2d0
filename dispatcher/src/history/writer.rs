//! A writer: commits what waits, again and again.

mod batch;

use std::sync::Arc;

use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use self::batch::Batch;
use super::{HistoryError, Job};
use crate::store::{Store, Write};

/// Writes in one transaction at most.
const LARGEST_BATCH: usize = 512;

/// Lets whoever is just about to write come along: what else is ready to run goes first, as long as it brings more.
async fn gather(jobs: &mpsc::Receiver<Job>) {
    let mut waiting = jobs.len();
    loop {
        tokio::task::yield_now().await;
        let now = jobs.len();
        if now <= waiting || now >= LARGEST_BATCH {
            return;
        }
        waiting = now;
    }
}

/// Commits what waits, again and again, until nobody can write any more. Once stopped it takes nothing new, but still
/// commits what it has.
pub(super) async fn run(store: Arc<dyn Store>, mut jobs: mpsc::Receiver<Job>, stopped: CancellationToken) {
    let mut waiting = Vec::with_capacity(LARGEST_BATCH);
    loop {
        gather(&jobs).await;
        let received = tokio::select! {
            biased;
            received = jobs.recv_many(&mut waiting, LARGEST_BATCH) => received,
            () = stopped.cancelled(), if !jobs.is_closed() => {
                jobs.close();
                continue;
            }
        };
        if received == 0 {
            return;
        }
        // Who waited for it has been told that there is no message, so none may be made now.
        waiting.retain(|job: &Job| !(matches!(job.write, Write::Record(_)) && job.reply.is_closed()));
        let begun = Instant::now();
        let (batch, mut rest) = Batch::of(waiting.drain(..), store.reconcile_after());
        rest.extend(batch.commit(&*store).await);
        if !rest.is_empty() {
            commit(&*store, rest).await;
        }
        metrics::histogram!("switchboard_history_commit_seconds").record(begun.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most a few hundred writes")]
        metrics::histogram!("switchboard_history_batch_size").record(received as f64);
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
