//! Figures that are looked at from time to time instead of counted: queues, lanes, breakers, connections.

use std::{sync::Arc, time::Duration};

use metrics::gauge;
use switchboard_runtime::{Lifecycle, telemetry};

use crate::{history::History, outbound::Lanes, store::Store};

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// What is looked at.
pub struct Gauges {
    /// Where writes wait.
    pub history: History,
    /// The connections below it.
    pub store: Arc<dyn Store>,
    /// Where sends wait for their vendor.
    pub lanes: Lanes,
}

impl Gauges {
    /// Starts looking, until everything else has ended.
    pub fn start(self, lifecycle: &Lifecycle) {
        let stopped = lifecycle.stopped();
        lifecycle.spawn_attendant("dispatcher gauges", async move {
            stopped.run_until_cancelled(self.run()).await;
            Ok(())
        });
    }

    async fn run(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn look(&self) {
        for (queue, writes) in self.history.waiting() {
            gauge!("switchboard_history_queue_writes", "queue" => queue).set(writes as f64);
        }
        telemetry::report_pools("dispatcher", &self.store.pools());
        for (provider, usage) in self.lanes.usage() {
            gauge!("switchboard_lane_sends", "provider" => provider).set(usage.sends as f64);
            gauge!("switchboard_lane_fullest_ratio", "provider" => provider).set(usage.fullest);
            for (state, accounts) in usage.breakers {
                gauge!("switchboard_breakers", "provider" => provider, "state" => state).set(f64::from(accounts));
            }
        }
    }
}
