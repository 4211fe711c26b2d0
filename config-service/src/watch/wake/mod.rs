//! How replicas tell one another that there is something new. Only a hint: whoever hears nothing polls.

mod redis;

use async_trait::async_trait;

pub use self::redis::{NoRedisUrl, RedisWake};

/// Wakes the other replicas, and is woken by them.
#[async_trait]
pub trait Wake: Send + Sync + 'static {
    /// A revision has been committed here.
    async fn committed(&self, revision: i64);

    /// Returns when another replica may have committed something.
    async fn woken(&self);
}

/// Nobody to wake: one replica, or several that find one another's changes by polling.
#[derive(Clone, Copy, Debug, Default)]
pub struct Polling;

#[async_trait]
impl Wake for Polling {
    async fn committed(&self, _: i64) {}

    async fn woken(&self) {
        std::future::pending::<()>().await;
    }
}
