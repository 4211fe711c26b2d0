//! Looks after messages that have been open too long: the vendor is asked, and what it says settles them.
//!
//! One process leads and does it for all ([`leadership`]). A round claims what is due, oldest first (each claim pushes the
//! message's next turn further away, so a vendor that does not answer is asked less and less), gives each vendor account a
//! turn of its own ([`turn`]), by its results feed where that saves calls ([`feed`]), and writes what it learns through the
//! same state machine as callbacks. Nothing is decided by silence: only a look-up that succeeded and found nothing, long
//! enough after the call, proves that a vendor does not have a message.

mod attend;
mod feed;
mod gauges;
mod leadership;
mod turn;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::join_all;
use switchboard_runtime::{Lifecycle, SharedClock};
use tokio::sync::watch;

use self::turn::Turn;
use crate::{history::History, message::Message, prepare::AdRules, resolver::Resolver, send::Sends, store::Store};

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
    /// When advertisements may not leave.
    pub rules: AdRules,
}

/// Messages claimed at once.
const BATCH: u32 = 500;

/// Looks after messages.
pub struct Reconciler {
    history: History,
    store: Arc<dyn Store>,
    resolver: Arc<Resolver>,
    sends: Sends,
    clock: SharedClock,
    policy: Policy,
}

impl Reconciler {
    /// Puts the parts together.
    pub fn new(
        history: History,
        store: Arc<dyn Store>,
        resolver: Arc<Resolver>,
        sends: Sends,
        clock: SharedClock,
        policy: Policy,
    ) -> Self {
        Self { history, store, resolver, sends, clock, policy }
    }

    /// Starts it; it ends when the process drains, and lets another lead at once.
    pub fn start(self, lifecycle: &Lifecycle) {
        let leads = leadership::start(Arc::clone(&self.store), lifecycle);
        gauges::start(Arc::clone(&self.store), Arc::clone(&self.clock), leads.clone(), lifecycle);
        let draining = lifecycle.draining();
        lifecycle.spawn("reconciliation", async move {
            draining.run_until_cancelled(self.run(leads)).await;
            Ok(())
        });
    }

    async fn run(&self, mut leads: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(self.policy.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // Nobody is left who could lead once the sender is gone: the process ends.
            if leads.wait_for(|leads| *leads).await.is_err() {
                return;
            }
            while self.round().await == BATCH as usize && *leads.borrow() {}
        }
    }

    /// Looks after what is due now; how many messages that was.
    async fn round(&self) -> usize {
        let Ok(due) = self.history.claim_due(self.clock.now(), BATCH).await else { return 0 };
        let count = due.len();
        join_all(by_account(due).into_iter().map(|messages| self.turn(messages))).await;
        count
    }

    /// One vendor account's turn.
    async fn turn(&self, messages: Vec<Message>) {
        let Some(first) = messages.first() else { return };
        let turn = Turn::new(self.resolver.account(&first.route).await);
        let rest = self.by_feed(&turn, messages).await;
        self.one_by_one(&turn, rest).await;
    }
}

/// Messages of each vendor account, in their order.
fn by_account(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut places = HashMap::new();
    let mut accounts: Vec<Vec<Message>> = Vec::new();
    for message in messages {
        let route = &message.route;
        let account = (route.account_organization_id.clone(), route.provider.clone(), route.provider_account.clone());
        let place = *places.entry(account).or_insert_with(|| {
            accounts.push(Vec::new());
            accounts.len() - 1
        });
        if let Some(account) = accounts.get_mut(place) {
            account.push(message);
        }
    }
    accounts
}
