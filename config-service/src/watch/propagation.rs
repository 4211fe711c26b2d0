//! Who has applied a revision, over all replicas.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::TimeDelta;
use switchboard_runtime::SharedClock;
use tokio::time::{Instant, interval, sleep_until};

use super::{Node, NodeKind, Nodes, Wake};
use crate::store::{NodeReport, Store, StoreError};

/// The longest that a caller may wait for a change to be applied everywhere.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// However short it is set, nobody looks into the store more often.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);
/// A replica that has told nothing for so long is gone.
const GONE: TimeDelta = TimeDelta::seconds(15);

/// The nodes of all replicas.
#[derive(Clone)]
pub struct Propagation {
    /// The nodes of this replica.
    pub nodes: Nodes,
    /// Where the others tell of theirs.
    pub store: Arc<dyn Store>,
    /// How this one hears that they have.
    pub wake: Arc<dyn Wake>,
    /// How often to look at what they have told when nobody says that they have.
    pub look: Duration,
    /// This replica.
    pub replica: String,
    /// What time it is.
    pub clock: SharedClock,
}

impl Propagation {
    /// Every node, by id.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let since = self.clock.now() - GONE;
        let elsewhere = self.store.nodes_elsewhere(&self.replica, since).await?;
        let mut nodes: BTreeMap<String, Node> = BTreeMap::new();
        // A node that has just moved here may still be told of elsewhere: its stream here is the newer one.
        for node in elsewhere.into_iter().map(Node::from).chain(self.nodes.all()) {
            nodes.insert(node.node_id.clone(), node);
        }
        Ok(nodes.into_values().collect())
    }

    /// Waits until every dispatcher that is connected now has applied `revision`; says which had not in time. One that
    /// goes away meanwhile without having applied it counts as one that has not.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn wait(&self, revision: i64, patience: Duration) -> Result<Vec<String>, StoreError> {
        let deadline = Instant::now() + patience.min(LONGEST_WAIT);
        let (mut here, mut elsewhere) = (self.nodes.changes(), self.wake.heard());
        elsewhere.borrow_and_update();
        let dispatchers = self.nodes().await?.into_iter().filter(|node| node.kind == NodeKind::Dispatcher);
        let mut pending: Vec<String> =
            dispatchers.filter(|node| node.applied < revision).map(|node| node.node_id).collect();
        let mut looks = interval(self.look.max(SHORTEST_LOOK));
        while !pending.is_empty() {
            tokio::select! {
                () = sleep_until(deadline) => break,
                // What happens here costs no look into the store.
                Ok(()) = here.changed() => {
                    pending.retain(|node_id| !self.nodes.has_applied(node_id, revision));
                    continue;
                }
                Ok(()) = elsewhere.changed() => {}
                _ = looks.tick() => {}
            }
            let now = self.nodes().await?;
            pending.retain(|node_id| !now.iter().any(|node| node.node_id == *node_id && node.applied >= revision));
        }
        Ok(pending)
    }
}

impl From<NodeReport> for Node {
    fn from(report: NodeReport) -> Self {
        let NodeReport { node_id, kind, applied, nack_reason, last_seen } = report;
        Self { node_id, kind, applied, nack_reason, last_seen }
    }
}

impl From<Node> for NodeReport {
    fn from(node: Node) -> Self {
        let Node { node_id, kind, applied, nack_reason, last_seen } = node;
        Self { node_id, kind, applied, nack_reason, last_seen }
    }
}
