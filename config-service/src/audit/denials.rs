//! Denied calls: observed on the path of the call, written behind it.
//!
//! The queue is bounded and written at a pace, since anybody can be denied as often as he likes and no event is ever
//! deleted; what does not fit is counted and its number written. An orderly end writes everything that is queued.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use switchboard_runtime::{
    Lifecycle, SharedClock,
    auth::{Denial, DenialObserver},
};
use tokio::{sync::mpsc, time::timeout};

use super::{Draft, FieldChange, Trail};
use crate::{
    attempt::{Attempt, Caller},
    error::Error,
};

/// Denials that may wait.
const QUEUE: usize = 4_096;
/// Denials that are written in one transaction.
const BATCH: u32 = 64;
/// Between one full transaction and the next; after one that was not full the wait is in proportion.
const PACE: Duration = Duration::from_secs(1);

/// Hears of denied calls and has them written. Clones write to the same trail.
#[derive(Clone)]
pub struct Denials {
    queue: mpsc::Sender<Draft>,
    overflow: Arc<AtomicU64>,
    clock: SharedClock,
}

impl Denials {
    /// Starts the task that writes them.
    pub fn start(trail: Trail, clock: SharedClock, lifecycle: &Lifecycle) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let overflow = Arc::new(AtomicU64::new(0));
        let writer = Writer { trail, waiting, overflow: Arc::clone(&overflow), clock: Arc::clone(&clock) };
        let draining = lifecycle.draining();
        lifecycle.spawn("denied calls to the audit trail", async move {
            writer.run(draining).await;
            Ok(())
        });
        Self { queue, overflow, clock }
    }

    /// A call that passed the gate was denied for what it asked: `action` by the name of the RPC, and the organisation
    /// if it names one.
    pub fn refused(&self, caller: &Caller, action: &'static str, organization_id: &str, error: &Error) {
        let attempt = Attempt::of(caller.clone(), action, organization_id);
        self.put(attempt.draft(self.clock.now(), error.reason().as_str(), Vec::new()));
    }

    fn put(&self, draft: Draft) {
        if self.queue.try_send(draft).is_err() {
            self.overflow.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl DenialObserver for Denials {
    fn denied(&self, denial: Denial) {
        let principal = denial.principal.as_ref();
        let action = denial.method.rsplit('/').next().unwrap_or_default();
        let draft = Draft {
            at: self.clock.now(),
            actor: principal.map(|principal| principal.name.to_string()).unwrap_or_default(),
            roles: principal
                .map(|principal| principal.roles.iter().map(|role| role.to_string()).collect())
                .unwrap_or_default(),
            // A path that is no method of ours can be anything, of any length.
            action: action.chars().take(64).collect(),
            organization_id: String::new(),
            provider: String::new(),
            outcome: denial.reason.to_string(),
            changes: Vec::new(),
            forced: false,
            request_id: String::new(),
            peer: denial.peer.map(|peer| peer.to_string()).unwrap_or_default(),
        };
        self.put(draft);
    }
}

struct Writer {
    trail: Trail,
    waiting: mpsc::Receiver<Draft>,
    overflow: Arc<AtomicU64>,
    clock: SharedClock,
}

impl Writer {
    async fn run(mut self, draining: tokio_util::sync::CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH as usize);
        loop {
            tokio::select! {
                received = self.waiting.recv_many(&mut batch, BATCH as usize) => if received == 0 { return },
                () = draining.cancelled() => break,
            }
            let share = PACE / BATCH * u32::try_from(batch.len()).unwrap_or(BATCH);
            self.write(std::mem::take(&mut batch)).await;
            // Whoever drains does not wait.
            let _ = timeout(share, draining.cancelled()).await;
        }
        // Calls in flight may still be denied while the server drains; whoever denies goes with the server, and with it
        // the last sender.
        while self.waiting.recv_many(&mut batch, BATCH as usize).await > 0 {
            self.write(std::mem::take(&mut batch)).await;
        }
    }

    async fn write(&self, mut drafts: Vec<Draft>) {
        let lost = self.overflow.swap(0, Ordering::Relaxed);
        if lost > 0 {
            drafts.push(Draft {
                at: self.clock.now(),
                actor: "system".to_owned(),
                roles: Vec::new(),
                action: "DeniedCallsNotListed".to_owned(),
                organization_id: String::new(),
                provider: String::new(),
                outcome: super::OK.to_owned(),
                changes: vec![FieldChange::open("count", "", lost.to_string())],
                forced: false,
                request_id: String::new(),
                peer: String::new(),
            });
        }
        self.trail.record_if_possible(drafts).await;
    }
}
