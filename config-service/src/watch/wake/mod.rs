//! How replicas tell one another that there is something new. Only a hint: whoever hears nothing polls.

mod redis;

use async_trait::async_trait;
use tokio::sync::watch;

pub use self::redis::RedisWake;

/// Wakes the other replicas, and is woken by them.
#[async_trait]
pub trait Wake: Send + Sync + 'static {
    /// A revision has been committed here.
    fn committed(&self, revision: i64);

    /// Returns when another replica may have committed something.
    async fn woken(&self);

    /// What the nodes of this replica have applied has been told in the store.
    fn told(&self);

    /// Counts up when another replica may have told something about its nodes.
    fn heard(&self) -> watch::Receiver<u64>;
}

/// Nobody to wake: one replica, or several that find one another's changes by polling.
#[derive(Debug, Default)]
pub struct Polling {
    /// Never counts up.
    silence: watch::Sender<u64>,
}

#[async_trait]
impl Wake for Polling {
    fn committed(&self, _: i64) {}

    async fn woken(&self) {
        std::future::pending::<()>().await;
    }

    fn told(&self) {}

    fn heard(&self) -> watch::Receiver<u64> {
        self.silence.subscribe()
    }
}
