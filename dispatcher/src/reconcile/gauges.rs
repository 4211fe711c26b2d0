//! How much is open, for how long, and what is set aside: counted by the leader, for all.

use std::{sync::Arc, time::Duration};

use switchboard_runtime::{Lifecycle, SharedClock};
use tokio::sync::watch;

use crate::{
    message::Status,
    store::{Census, Store},
};

/// Between two counts.
const INTERVAL: Duration = Duration::from_secs(15);

/// Counts until the process drains, while it leads.
pub(super) fn start(store: Arc<dyn Store>, clock: SharedClock, leads: watch::Receiver<bool>, lifecycle: &Lifecycle) {
    let draining = lifecycle.draining();
    lifecycle.spawn("census", async move {
        draining.run_until_cancelled(count(&*store, &clock, leads)).await;
        Ok(())
    });
}

async fn count(store: &dyn Store, clock: &SharedClock, mut leads: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // A new leader counts at once, and one that leads no more takes its numbers back.
            changed = leads.changed() => if changed.is_err() { return },
        }
        if !*leads.borrow_and_update() {
            show(&Census::default());
            continue;
        }
        match store.census(clock.now()).await {
            Ok(census) => show(&census),
            Err(error) => tracing::warn!(%error, "open messages could not be counted; it will be tried again"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and seconds are far below 2^52")]
fn show(census: &Census) {
    for status in Status::ALL.into_iter().filter(|status| !status.is_final() && *status != Status::Unresolved) {
        let open = census.open.get(&status).copied().unwrap_or_default();
        metrics::gauge!("switchboard_open_messages", "status" => status.as_str()).set(open.count as f64);
        metrics::gauge!("switchboard_open_messages_oldest_seconds", "status" => status.as_str())
            .set(open.oldest_age.as_secs_f64());
    }
    metrics::gauge!("switchboard_open_messages_overdue").set(census.overdue as f64);
    metrics::gauge!("switchboard_parked_reports").set(census.parked as f64);
    metrics::gauge!("switchboard_quarantined_events").set(census.quarantined as f64);
}
