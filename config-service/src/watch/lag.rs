//! How far the slowest subscriber is behind, as figures.

use std::{collections::VecDeque, time::Duration};

use metrics::gauge;
use switchboard_runtime::{Lifecycle, telemetry};
use tokio::time::Instant;

use super::{Hub, NodeKind, Nodes};

/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// Revisions whose time is remembered; who is further behind is behind by at least the oldest of them.
const MOST_REMEMBERED: usize = 4096;

/// What is looked at.
pub struct LagGauges {
    /// Where this replica is.
    pub hub: Hub,
    /// Where its subscribers are.
    pub nodes: Nodes,
}

impl LagGauges {
    /// Starts looking, until the process drains.
    pub fn start(self, lifecycle: &Lifecycle) {
        let draining = lifecycle.draining();
        lifecycle.spawn("gauges of the watch", async move {
            draining.run_until_cancelled(self.run()).await;
            Ok(())
        });
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and revisions stay far below 2^52")]
    async fn run(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        let mut lag = Lag::default();
        loop {
            let now = ticks.tick().await;
            let revision = self.hub.position().revision;
            let nodes = self.nodes.all();
            for kind in [NodeKind::Dispatcher, NodeKind::WebhookGateway] {
                let subscribers = nodes.iter().filter(|node| node.kind == kind).count();
                gauge!("switchboard_config_subscribers", "node_kind" => kind.as_str()).set(subscribers as f64);
            }
            let slowest = nodes.into_iter().map(|node| node.applied).min();
            let behind = lag.look(revision, slowest.unwrap_or(revision), now);
            gauge!("switchboard_config_revision").set(revision as f64);
            gauge!("switchboard_config_propagation_lag_revisions").set(behind.revisions as f64);
            gauge!("switchboard_config_propagation_lag_seconds").set(behind.time.as_secs_f64());
            telemetry::report_pools("config-service", &self.hub.inner().store.pools());
        }
    }
}

/// When each revision that somebody still lacks was first seen.
#[derive(Debug, Default)]
struct Lag {
    seen: VecDeque<(i64, Instant)>,
}

/// How far somebody is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Behind {
    revisions: i64,
    /// Since the first revision that he lacks was seen.
    time: Duration,
}

impl Lag {
    fn look(&mut self, revision: i64, slowest: i64, now: Instant) -> Behind {
        // Another epoch begins again from below.
        self.seen.retain(|(seen, _)| *seen > slowest && *seen <= revision);
        if revision > slowest && self.seen.back().is_none_or(|(last, _)| *last < revision) {
            if self.seen.len() == MOST_REMEMBERED {
                self.seen.pop_back();
            }
            self.seen.push_back((revision, now));
        }
        let time = self.seen.front().map_or(Duration::ZERO, |(_, since)| now.duration_since(*since));
        Behind { revisions: (revision - slowest).max(0), time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_step_is_not_behind() {
        let now = Instant::now();
        let mut lag = Lag::default();
        assert_eq!(lag.look(7, 7, now), Behind { revisions: 0, time: Duration::ZERO });
        assert_eq!(lag.look(7, 9, now), Behind { revisions: 0, time: Duration::ZERO }, "ahead of this replica");
    }

    #[test]
    fn time_counts_from_the_first_revision_that_is_lacking() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut lag = Lag::default();
        lag.look(8, 7, start);
        lag.look(9, 7, after(2));
        assert_eq!(lag.look(10, 7, after(5)), Behind { revisions: 3, time: Duration::from_secs(5) });
        assert_eq!(lag.look(10, 8, after(6)), Behind { revisions: 2, time: Duration::from_secs(4) });
        assert_eq!(lag.look(10, 10, after(7)).time, Duration::ZERO);
    }

    #[test]
    fn another_epoch_that_begins_from_below_forgets_the_one_before() {
        let start = Instant::now();
        let mut lag = Lag::default();
        lag.look(900, 7, start);
        let later = start + Duration::from_secs(60);
        assert_eq!(lag.look(3, 0, later), Behind { revisions: 3, time: Duration::ZERO });
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let start = Instant::now();
        let mut lag = Lag::default();
        for revision in 1..10_000 {
            lag.look(revision, 0, start + Duration::from_millis(revision.unsigned_abs()));
        }
        assert!(lag.seen.len() <= MOST_REMEMBERED);
        assert_eq!(lag.look(10_000, 0, start + Duration::from_secs(100)).time, Duration::from_millis(99_999));
    }
}
