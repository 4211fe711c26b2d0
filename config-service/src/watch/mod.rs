//! The watch: every dispatcher and gateway gets every committed change, in order, without gaps.
//!
//! - [`Hub`]: one task follows the store and hands each change to every subscriber once
//! - [`Subscription`]: one subscriber, from hello to its end: snapshot or replay, then live
//! - [`Nodes`]: who subscribes and what each has applied
//! - [`Propagation`]: the same over all replicas, and waiting for it
//! - [`Wake`]: how replicas tell one another that there is something new
//!
//! The store is the only truth: a hub that is woken late, or never, finds everything by polling.

mod entry;
mod hub;
mod lag;
mod nodes;
mod propagation;
mod reports;
mod resume;
mod retention;
mod subscription;
mod wake;

use std::{str::FromStr, time::Duration};

pub use entry::{Account, Entry, Opener, Read, Signer};
pub use hub::{Delta, Hub};
pub use lag::LagGauges;
pub use nodes::{Node, NodeHandle, Nodes};
pub use propagation::{LONGEST_WAIT, Propagation};
pub use reports::Reports;
pub use resume::{Plan, Resume};
pub use retention::Retention;
pub use subscription::{Delivery, Ended, Heard, Subscription};
pub use wake::{Polling, RedisWake, Wake};

/// What a subscriber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// Sends.
    Dispatcher,
    /// Verifies callbacks.
    WebhookGateway,
}

impl NodeKind {
    /// The word for people and for the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dispatcher => "dispatcher",
            Self::WebhookGateway => "webhook-gateway",
        }
    }
}

impl FromStr for NodeKind {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        [Self::Dispatcher, Self::WebhookGateway].into_iter().find(|kind| kind.as_str() == word).ok_or(())
    }
}

/// How the watch is kept alive.
#[derive(Clone, Copy, Debug)]
pub struct WatchTimes {
    /// Between heartbeats.
    pub heartbeat: Duration,
    /// Between looks at the store when nobody wakes us.
    pub poll: Duration,
    /// How long a subscriber may leave what it was sent unread or unacknowledged.
    pub patience: Duration,
    /// How many changes may wait for a subscriber.
    pub queue: usize,
}
