//! Who subscribes to this replica, and what each has applied.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use switchboard_runtime::SharedClock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::NodeKind;

/// The nodes that subscribe to this replica. Clones are the same.
#[derive(Clone)]
pub struct Nodes {
    inner: Arc<Inner>,
}

struct Inner {
    nodes: Mutex<HashMap<String, Present>>,
    /// Counts up with every change of what the nodes have applied.
    changed: watch::Sender<u64>,
    clock: SharedClock,
}

struct Present {
    node: Node,
    /// The last revision that it has acknowledged, whatever it refused before.
    acked: i64,
    /// The last revision that it has acknowledged or refused.
    answered: i64,
    /// The first revision that it refused since it was last given everything.
    refused: Option<i64>,
    stream: CancellationToken,
}

impl Present {
    /// It has applied nothing from what it refused on: an ack speaks for all revisions before it.
    fn settle(&mut self) {
        let before_refusal = self.refused.map_or(i64::MAX, |refused| refused.saturating_sub(1).max(0));
        self.node.applied = self.acked.min(before_refusal);
        if self.refused.is_none() {
            self.node.nack_reason.clear();
        }
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it calls itself.
    pub node_id: String,
    /// What it is.
    pub kind: NodeKind,
    /// The last revision that it says it has applied, and with it all before.
    pub applied: i64,
    /// Why it refused a revision; empty: it did not, or has got over it.
    pub nack_reason: String,
    /// When it was last heard.
    pub last_seen: DateTime<Utc>,
}

impl Nodes {
    /// Nobody yet.
    pub fn new(clock: SharedClock) -> Self {
        let inner = Inner { nodes: Mutex::default(), changed: watch::Sender::new(0), clock };
        Self { inner: Arc::new(inner) }
    }

    /// A node opens a stream; one that it had before ends. It is known until the handle is dropped.
    pub fn enter(&self, node_id: &str, kind: NodeKind, applied: i64) -> NodeHandle {
        let stream = CancellationToken::new();
        let node = Node {
            node_id: node_id.to_owned(),
            kind,
            applied,
            nack_reason: String::new(),
            last_seen: self.inner.clock.now(),
        };
        let present = Present { node, acked: applied, answered: applied, refused: None, stream: stream.clone() };
        let before = self.lock().insert(node_id.to_owned(), present);
        if let Some(before) = before {
            before.stream.cancel();
        }
        self.touch();
        NodeHandle { nodes: self.clone(), node_id: node_id.to_owned(), stream }
    }

    /// Everybody, by id.
    pub fn all(&self) -> Vec<Node> {
        let mut nodes: Vec<Node> = self.lock().values().map(|present| present.node.clone()).collect();
        nodes.sort_unstable_by(|a, b| a.node_id.cmp(&b.node_id));
        nodes
    }

    /// Whether a node is here and has applied a revision.
    pub fn has_applied(&self, node_id: &str, revision: i64) -> bool {
        self.lock().get(node_id).is_some_and(|present| present.node.applied >= revision)
    }

    /// Tells when anything changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    fn touch(&self) {
        self.inner.changed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Present>> {
        self.inner.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node's open stream.
pub struct NodeHandle {
    nodes: Nodes,
    node_id: String,
    stream: CancellationToken,
}

impl NodeHandle {
    /// What the node calls itself.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// Cancelled when a newer stream of the same node takes over.
    pub fn replaced(&self) -> &CancellationToken {
        &self.stream
    }

    /// The last revision that it has said anything of, be it that it could not apply it.
    pub fn answered(&self) -> i64 {
        self.with(|present| present.answered).unwrap_or_default()
    }

    /// It has applied a revision, and with it all before, but for what it refused.
    pub fn ack(&self, revision: i64) {
        let now = self.nodes.inner.clock.now();
        self.with(|present| {
            present.node.last_seen = now;
            present.answered = present.answered.max(revision);
            if revision >= present.acked {
                present.acked = revision;
                // After all.
                present.refused.take_if(|refused| *refused == revision);
                present.settle();
            }
        });
        self.nodes.touch();
    }

    /// It could not apply a revision. That stands until it is given everything anew, or applies it after all.
    pub fn nack(&self, revision: i64, reason: &str) {
        let now = self.nodes.inner.clock.now();
        self.with(|present| {
            present.node.last_seen = now;
            present.answered = present.answered.max(revision);
            present.refused = Some(present.refused.map_or(revision, |refused| refused.min(revision)));
            present.settle();
            reason.clone_into(&mut present.node.nack_reason);
        });
        self.nodes.touch();
    }

    /// Forgets what it had applied and refused: it is being given everything anew.
    pub fn start_over(&self) {
        self.with(|present| {
            (present.acked, present.answered, present.refused) = (0, 0, None);
            present.settle();
        });
        self.nodes.touch();
    }

    /// Only while this stream is the node's.
    fn with<T>(&self, change: impl FnOnce(&mut Present) -> T) -> Option<T> {
        if self.stream.is_cancelled() {
            return None;
        }
        self.nodes.lock().get_mut(&self.node_id).map(change)
    }
}

impl Drop for NodeHandle {
    fn drop(&mut self) {
        let mut nodes = self.nodes.lock();
        if !self.stream.is_cancelled() {
            nodes.remove(&self.node_id);
        }
        drop(nodes);
        self.nodes.touch();
    }
}

#[cfg(test)]
mod tests {
    use switchboard_runtime::ManualClock;

    use super::*;

    fn nodes() -> Nodes {
        Nodes::new(ManualClock::at(DateTime::UNIX_EPOCH).shared())
    }

    #[test]
    fn a_newer_stream_of_a_node_replaces_the_older_and_outlives_it() {
        let nodes = nodes();
        let old = nodes.enter("d1", NodeKind::Dispatcher, 5);
        let new = nodes.enter("d1", NodeKind::Dispatcher, 7);
        assert!(old.replaced().is_cancelled() && !new.replaced().is_cancelled());
        old.ack(9);
        drop(old);
        assert_eq!(nodes.all().iter().map(|node| node.applied).collect::<Vec<_>>(), [7]);
        drop(new);
        assert!(nodes.all().is_empty());
    }

    #[test]
    fn acks_never_go_back() {
        let nodes = nodes();
        let node = nodes.enter("d1", NodeKind::Dispatcher, 5);
        node.ack(4);
        assert_eq!(nodes.all()[0].applied, 5);
        node.ack(6);
        assert_eq!(nodes.all()[0].applied, 6);
    }

    #[test]
    fn a_refusal_stands_whatever_comes_after_it_until_everything_is_given_anew() {
        let nodes = nodes();
        let node = nodes.enter("d1", NodeKind::Dispatcher, 5);
        let shown = || {
            let node = nodes.all().remove(0);
            (node.applied, node.nack_reason)
        };
        node.nack(7, "does not fit");
        assert_eq!((shown(), node.answered()), ((5, "does not fit".to_owned()), 7));
        node.ack(8);
        node.nack(9, "neither");
        node.ack(10);
        assert_eq!((shown(), node.answered()), ((6, "neither".to_owned()), 10));
        assert!(nodes.has_applied("d1", 6) && !nodes.has_applied("d1", 7) && !nodes.has_applied("d1", 10));
        node.start_over();
        node.ack(10);
        assert_eq!(shown(), (10, String::new()));
        node.nack(11, "not yet");
        node.ack(11);
        assert_eq!(shown(), (11, String::new()), "after all");
    }
}
