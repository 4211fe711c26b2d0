//! Looks after messages that have been open too long: the vendor is asked, and what it says settles them.
//!
//! A round claims what is due (each claim pushes the message's next turn further away, so a vendor that does not answer
//! is asked less and less), asks about a few at a time, and writes what it learns through the same state machine as
//! callbacks. Nothing is decided by silence: only a look-up that succeeded and found nothing, long enough after the call,
//! proves that a vendor does not have a message.

mod attend;

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use switchboard_runtime::{Lifecycle, SharedClock};

use crate::{history::History, message::Message, resolver::Resolver, send::Sends};

/// When and how messages are looked after.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How often due messages are looked for.
    pub interval: Duration,
    /// How long a result may take; then the message is unresolved.
    pub result_horizon: Duration,
    /// The longest that a living process takes over one send. What is `REQUESTED` for longer has lost its process.
    pub longest_send: Duration,
    /// How long after a call with unknown outcome, beyond the vendor's own blindness, absence is believed.
    pub absence_margin: Duration,
    /// How long a vendor may take to answer.
    pub look_up_timeout: Duration,
}

/// Messages claimed at once.
const BATCH: u32 = 100;
/// Vendors asked at once.
const AT_ONCE: usize = 8;

/// Looks after messages.
pub struct Reconciler {
    history: History,
    resolver: Arc<Resolver>,
    sends: Sends,
    clock: SharedClock,
    policy: Policy,
}

impl Reconciler {
    /// Puts the parts together.
    pub fn new(history: History, resolver: Arc<Resolver>, sends: Sends, clock: SharedClock, policy: Policy) -> Self {
        Self { history, resolver, sends, clock, policy }
    }

    /// Starts it; it ends when the process drains.
    pub fn start(self, lifecycle: &Lifecycle) {
        let draining = lifecycle.draining();
        lifecycle.spawn("reconciliation", async move {
            draining.run_until_cancelled(self.run()).await;
            Ok(())
        });
    }

    async fn run(&self) {
        let mut ticks = tokio::time::interval(self.policy.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            while self.round().await == BATCH as usize {}
        }
    }

    /// Looks after what is due now; how many messages that was.
    pub async fn round(&self) -> usize {
        let Ok(due) = self.history.claim_due(self.clock.now(), BATCH).await else { return 0 };
        let count = due.len();
        futures::stream::iter(due).for_each_concurrent(AT_ONCE, |message: Message| self.attend(message)).await;
        count
    }
}
