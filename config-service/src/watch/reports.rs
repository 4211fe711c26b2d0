//! Tells the other replicas, through the store, about the nodes that watch this one.

use std::{sync::Arc, time::Duration};

use switchboard_runtime::{Lifecycle, SharedClock};
use tokio::time::{Instant, sleep, timeout};

use super::{Nodes, Wake};
use crate::store::{NodeReport, Store};

/// Telling takes at most one part in so many of the time, however many acks come: the longer it takes, the rarer it is.
const SHARE: u32 = 2;
/// At least so often, so that the others know that this replica lives.
const REST: Duration = Duration::from_secs(5);

/// What tells them.
pub struct Reports {
    /// The nodes of this replica.
    pub nodes: Nodes,
    /// Where it is told.
    pub store: Arc<dyn Store>,
    /// How the others hear of it.
    pub wake: Arc<dyn Wake>,
    /// This replica.
    pub replica: String,
    /// What time it is.
    pub clock: SharedClock,
}

impl Reports {
    /// Starts telling; at the end it takes back what it told.
    pub fn start(self, lifecycle: &Lifecycle) {
        let draining = lifecycle.draining();
        lifecycle.spawn("reports about watching nodes", async move {
            draining.run_until_cancelled(self.run()).await;
            self.tell(&[]).await;
            Ok(())
        });
    }

    async fn run(&self) {
        let mut changes = self.nodes.changes();
        loop {
            changes.borrow_and_update();
            let nodes: Vec<NodeReport> = self.nodes.all().into_iter().map(NodeReport::from).collect();
            let began = Instant::now();
            self.tell(&nodes).await;
            sleep(began.elapsed() * (SHARE - 1)).await;
            let _ = timeout(REST, changes.changed()).await;
        }
    }

    async fn tell(&self, nodes: &[NodeReport]) {
        match self.store.report_nodes(&self.replica, nodes, self.clock.now()).await {
            Ok(()) => self.wake.told(),
            Err(error) => {
                tracing::warn!(%error, "the other replicas could not be told about the nodes that watch this one");
            }
        }
    }
}
