//! Hands results on to the dispatcher: what waits goes together, without a timer.
//!
//! While a call is under way others gather behind it and go with the next one; a lone callback waits for nobody. A call
//! that the dispatcher finds wrong or too large is taken apart, so that one update which it cannot take does not hold up
//! the rest.

mod load;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use switchboard_proto::dispatch::v1::{
    QuarantineEventsRequest, ReportStatusRequest, StatusOutcome, StatusUpdate, UnreadableEvent,
    delivery_status_service_client::DeliveryStatusServiceClient,
};
use switchboard_runtime::{error::describe, grpc::AuthorizedChannel, lifecycle::Lifecycle};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};
use tonic::{Code, Request, Status};

use load::Load;

/// The dispatcher has not committed the updates, as far as is known: the vendor has to come again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotCommitted {
    #[error("the dispatcher has not answered within {0:?}")]
    TooSlow(Duration),
    #[error("the dispatcher does not take it: {0}")]
    Refused(String),
    #[error("the gateway is stopping")]
    Stopping,
}

/// Hands updates on. Clones share one queue.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    queue: mpsc::Sender<Job>,
    client: DeliveryStatusServiceClient<AuthorizedChannel>,
    patience: Duration,
}

#[derive(Debug)]
struct Job {
    updates: Vec<StatusUpdate>,
    done: oneshot::Sender<Result<(), NotCommitted>>,
}

impl Reporter {
    /// Starts the task that hands on. At most `waiting` callbacks queue up; `calls` are under way at once.
    pub(crate) fn start(
        channel: AuthorizedChannel,
        waiting: usize,
        calls: usize,
        patience: Duration,
        lifecycle: &Lifecycle,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(waiting);
        let client = DeliveryStatusServiceClient::new(channel);
        let worker = Worker {
            client: client.clone(),
            calls: Arc::new(Semaphore::new(calls)),
            patience,
            lifecycle: lifecycle.clone(),
        };
        lifecycle.spawn("status reporter", worker.run(jobs));
        Self { queue, client, patience }
    }

    /// Returns once every event that cannot be read is kept (or was before). They are rare, so each callback's go alone.
    pub(crate) async fn quarantine(&self, events: Vec<UnreadableEvent>) -> Result<(), NotCommitted> {
        if events.is_empty() {
            return Ok(());
        }
        let mut request = Request::new(QuarantineEventsRequest { events });
        request.set_timeout(self.patience);
        let mut client = self.client.clone();
        let answer = timeout(self.patience, client.quarantine_events(request)).await;
        match answer.map_err(|_| NotCommitted::TooSlow(self.patience))? {
            Ok(_) => Ok(()),
            Err(status) => Err(NotCommitted::Refused(describe(&status))),
        }
    }

    /// Returns once every update is committed (or was before). What is too much for one call goes in several.
    pub(crate) async fn report(&self, mut updates: Vec<StatusUpdate>) -> Result<(), NotCommitted> {
        let all = async {
            while !updates.is_empty() {
                let (done, answer) = oneshot::channel();
                let job = Job { updates: load::take(&mut updates), done };
                self.queue.send(job).await.map_err(|_| NotCommitted::Stopping)?;
                answer.await.map_err(|_| NotCommitted::Stopping)??;
            }
            Ok(())
        };
        timeout(self.patience, all).await.map_err(|_| NotCommitted::TooSlow(self.patience))?
    }
}

#[derive(Clone)]
struct Worker {
    client: DeliveryStatusServiceClient<AuthorizedChannel>,
    calls: Arc<Semaphore>,
    patience: Duration,
    lifecycle: Lifecycle,
}

impl Worker {
    /// Ends when the last [`Reporter`] is gone and everything is handed on.
    async fn run(self, mut jobs: mpsc::Receiver<Job>) -> anyhow::Result<()> {
        let mut next = None;
        loop {
            let permit = Arc::clone(&self.calls).acquire_owned().await?;
            let first = match next.take() {
                Some(job) => job,
                None => match jobs.recv().await {
                    Some(job) => job,
                    None => return Ok(()),
                },
            };
            let batch = gather(first, &mut jobs, &mut next);
            drop(self.lifecycle.spawn_detached("status report", self.clone().hand_on(batch, permit)));
        }
    }

    async fn hand_on(self, mut batch: Vec<Job>, permit: OwnedSemaphorePermit) {
        // Whoever has given up waiting has told the vendor to come again.
        batch.retain(|job| !job.done.is_closed());
        let together = self.call(batch.iter().flat_map(|job| job.updates.iter().cloned()).collect()).await;
        match together {
            // One is wrong, or they are too much together.
            Err(status) if matches!(status.code(), Code::InvalidArgument | Code::OutOfRange) && batch.len() > 1 => {
                for job in batch {
                    let alone = self.call(job.updates).await;
                    finish(job.done, alone);
                }
            }
            result => {
                for job in batch {
                    finish(job.done, result.clone());
                }
            }
        }
        drop(permit);
    }

    async fn call(&self, updates: Vec<StatusUpdate>) -> Result<(), Status> {
        if updates.is_empty() {
            return Ok(());
        }
        let count = updates.len();
        let mut request = Request::new(ReportStatusRequest { updates });
        request.set_timeout(self.patience);
        let response = timeout(self.patience, self.client.clone().report_status(request)).await;
        let results = match response {
            Ok(response) => response?.into_inner().results,
            Err(_) => {
                return Err(Status::deadline_exceeded("the dispatcher did not answer in time"));
            }
        };
        if results.len() != count {
            return Err(Status::internal(format!("{count} updates were sent and {} results came", results.len())));
        }
        for result in results {
            let outcome = result.outcome().as_str_name().trim_start_matches("STATUS_OUTCOME_");
            metrics::counter!("switchboard_webhook_updates_total", "outcome" => outcome).increment(1);
            if result.outcome() == StatusOutcome::Unspecified {
                return Err(Status::internal("an update came back without an outcome"));
            }
        }
        Ok(())
    }
}

fn finish(done: oneshot::Sender<Result<(), NotCommitted>>, result: Result<(), Status>) {
    let result = result.map_err(|status| NotCommitted::Refused(describe(&status)));
    if done.send(result).is_err() {
        tracing::debug!("a callback was committed after its vendor had been told to come again");
    }
}

/// Takes what waits, up to what one call may carry. What does not fit is the first of the next call.
fn gather(first: Job, jobs: &mut mpsc::Receiver<Job>, next: &mut Option<Job>) -> Vec<Job> {
    let mut load = Load::of(&first.updates);
    let mut batch = vec![first];
    while load.has_room() {
        let Ok(job) = jobs.try_recv() else { break };
        load = load.plus(Load::of(&job.updates));
        if !load.fits() {
            *next = Some(job);
            break;
        }
        batch.push(job);
    }
    batch
}
