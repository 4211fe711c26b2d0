//! Who looks after messages: one process of all that share a history, so that vendors are not asked by each of them.
//!
//! It only saves calls. That no message is sent twice rests on the claims, which hold whoever believes to lead.

use std::{mem, sync::Arc, time::Duration};

use switchboard_runtime::Lifecycle;
use tokio::sync::watch;

use crate::store::Store;

/// How often the leader shows that it lives, and the others ask whether they may lead.
const INTERVAL: Duration = Duration::from_secs(2);

/// Says who leads until the process drains; then another may lead at once.
pub(super) fn start(store: Arc<dyn Store>, lifecycle: &Lifecycle) -> watch::Receiver<bool> {
    let (leads, seen) = watch::channel(false);
    let draining = lifecycle.draining();
    lifecycle.spawn("leadership", async move {
        draining.run_until_cancelled(campaign(&*store, &leads)).await;
        publish(&leads, false);
        store.resign().await;
        Ok(())
    });
    seen
}

async fn campaign(store: &dyn Store, leads: &watch::Sender<bool>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now_leads = match store.lead().await {
            Ok(now_leads) => now_leads,
            Err(error) => {
                tracing::warn!(%error, "whether this process leads cannot be found out; it does not");
                false
            }
        };
        publish(leads, now_leads);
    }
}

/// Tells who waits for it only of a change: each time that they hear of it, open messages are counted.
fn publish(leads: &watch::Sender<bool>, now_leads: bool) {
    metrics::gauge!("switchboard_reconciliation_leader").set(if now_leads { 1.0 } else { 0.0 });
    let changed = leads.send_if_modified(|leads| mem::replace(leads, now_leads) != now_leads);
    if changed && now_leads {
        tracing::info!("this process looks after open messages now");
    } else if changed {
        tracing::info!("this process does not look after open messages any more");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_stays_one_is_no_news() {
        let (leads, mut seen) = watch::channel(false);
        publish(&leads, true);
        assert!(seen.has_changed().unwrap() && *seen.borrow_and_update());
        publish(&leads, true);
        assert!(!seen.has_changed().unwrap());
        publish(&leads, false);
        assert!(seen.has_changed().unwrap() && !*seen.borrow_and_update());
    }
}
