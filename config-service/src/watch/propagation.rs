//! Who has applied a revision, over all replicas.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::TimeDelta;
use switchboard_runtime::SharedClock;
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::{Node, NodeKind, Nodes, Wake};
use crate::store::{NodeReport, Store, StoreError};

/// The longest that a caller may wait for a change to be applied everywhere.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// However short it is set, nobody looks into the store more often.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);
/// How long the store may take to say who there is: whoever waits is to hear in time that the change stands.
const SILENCE: Duration = Duration::from_secs(1);
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
    /// The change is committed and stays so: a store that cannot be read now is asked again, and until it answers the
    /// dispatchers of this replica are those that there are.
    pub async fn wait(&self, revision: i64, patience: Duration) -> Vec<String> {
        let deadline = Instant::now() + patience.min(LONGEST_WAIT);
        let (mut here, mut elsewhere) = (self.nodes.changes(), self.wake.heard());
        elsewhere.borrow_and_update();
        let mut pending: BTreeSet<String> = behind(&self.nodes.all(), revision).collect();
        let mut looks = interval(self.look.max(SHORTEST_LOOK));
        let (mut seen_all, mut failed, mut look) = (false, false, true);
        loop {
            if look {
                match timeout(SILENCE, self.nodes()).await {
                    Ok(Ok(now)) => {
                        if !seen_all {
                            pending.extend(behind(&now, revision));
                        }
                        seen_all = true;
                        pending.retain(|id| !now.iter().any(|node| node.node_id == *id && node.applied >= revision));
                    }
                    Ok(Err(error)) if !failed => {
                        failed = true;
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(
                            error,
                            revision,
                            "a caller waits and the nodes of other replicas are not known"
                        );
                    }
                    _ => {}
                }
            }
            if seen_all && pending.is_empty() {
                break;
            }
            look = tokio::select! {
                () = sleep_until(deadline) => break,
                // What happens here costs no look into the store.
                Ok(()) = here.changed() => {
                    pending.retain(|node_id| !self.nodes.has_applied(node_id, revision));
                    false
                }
                Ok(()) = elsewhere.changed() => true,
                _ = looks.tick() => true,
            };
        }
        pending.into_iter().collect()
    }
}

/// The dispatchers that have not applied `revision`.
fn behind(nodes: &[Node], revision: i64) -> impl Iterator<Item = String> {
    let dispatchers = nodes.iter().filter(|node| node.kind == NodeKind::Dispatcher);
    dispatchers.filter(move |node| node.applied < revision).map(|node| node.node_id.clone())
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
