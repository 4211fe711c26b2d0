//! How long changes are kept for subscribers that come back. Who comes back later starts with a snapshot.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use switchboard_runtime::{Lifecycle, SharedClock};

use crate::store::Store;

/// Changes that are forgotten in one transaction.
const BATCH: u32 = 5_000;
/// How often old changes are looked for.
const PACE: Duration = Duration::from_secs(60);

/// Forgets changes that are older than `keep`.
pub struct Retention {
    /// How long they are kept.
    pub keep: Duration,
    /// Where they are.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: SharedClock,
}

impl Retention {
    /// Starts forgetting.
    pub fn start(self, lifecycle: &Lifecycle) {
        let draining = lifecycle.draining();
        lifecycle.spawn("retention of configuration changes", async move {
            draining.run_until_cancelled(self.run()).await;
            Ok(())
        });
    }

    async fn run(&self) {
        loop {
            let forgotten = self.forget().await;
            if forgotten < u64::from(BATCH) {
                tokio::time::sleep(PACE).await;
            }
        }
    }

    async fn forget(&self) -> u64 {
        let keep = TimeDelta::from_std(self.keep).unwrap_or(TimeDelta::MAX);
        let Some(cutoff) = self.clock.now().checked_sub_signed(keep) else { return 0 };
        self.store.forget_changes(cutoff, BATCH).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "old configuration changes could not be forgotten");
            0
        })
    }
}
