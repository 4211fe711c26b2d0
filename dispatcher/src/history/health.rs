//! Whether the history can be used, for readiness: asked regularly, since a process without sends must know it too.

use std::{sync::Arc, time::Duration};

use switchboard_runtime::{Lifecycle, http::Check};

use crate::store::Store;

/// How often the store is asked.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Keeps the check true until the process drains.
pub fn watch(store: Arc<dyn Store>, check: Check, lifecycle: &Lifecycle) {
    let draining = lifecycle.draining();
    lifecycle.spawn("history health", async move {
        draining.run_until_cancelled(ask(&*store, &check)).await;
        Ok(())
    });
}

async fn ask(store: &dyn Store, check: &Check) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        match tokio::time::timeout(PATIENCE, store.ping()).await {
            Ok(Ok(())) => check.ready(),
            Ok(Err(error)) => check.not_ready(error.to_string()),
            Err(_) => check.not_ready("the history does not answer"),
        }
    }
}
