//! Forgets by itself what need not be kept any longer: texts and images first, whole messages later, request ids that
//! nobody repeats any more, reports that will not meet their message, events that nobody has replayed.
//!
//! In small batches with pauses between them, so that sends do not feel it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use switchboard_runtime::{Lifecycle, SharedClock};

use crate::store::{Forgotten, Store, StoreError, Terms};

/// The section `dispatcher.retention`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// How long a message's text and content are kept. Default: 90 days.
    #[serde(with = "humantime_serde")]
    pub body_after: Duration,
    /// How long a message is kept at all; not shorter than `body_after`. Default: 3 years.
    #[serde(with = "humantime_serde")]
    pub drop_after: Duration,
    /// How long a request id makes a send idempotent, at least 24h. Default: 7 days.
    #[serde(with = "humantime_serde")]
    pub request_id_horizon: Duration,
    /// How long a report waits for a message that is not known yet. Default: 3 days.
    #[serde(with = "humantime_serde")]
    pub parking_horizon: Duration,
    /// How long an event of a callback that cannot be read is kept for replaying. Default: 30 days.
    #[serde(with = "humantime_serde")]
    pub quarantine_horizon: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            body_after: 90 * DAY,
            drop_after: 3 * 365 * DAY,
            request_id_horizon: 7 * DAY,
            parking_horizon: 3 * DAY,
            quarantine_horizon: 30 * DAY,
        }
    }
}

impl RetentionConfig {
    /// Whether it can be kept to.
    ///
    /// # Errors
    ///
    /// One sentence that names the setting and what is allowed.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.request_id_horizon < DAY {
            anyhow::bail!(
                "dispatcher.retention.request_id_horizon is shorter than callers may rely on: set 24h or more"
            );
        }
        if self.drop_after < self.body_after {
            anyhow::bail!(
                "dispatcher.retention.drop_after is shorter than dispatcher.retention.body_after: set it to {}h or more",
                self.body_after.as_secs().div_ceil(3600)
            );
        }
        Ok(())
    }

    fn terms(&self, now: DateTime<Utc>) -> Terms {
        // What reaches back beyond all time keeps everything.
        let before = |kept: Duration| {
            let kept = TimeDelta::from_std(kept).ok();
            kept.and_then(|kept| now.checked_sub_signed(kept)).unwrap_or(DateTime::UNIX_EPOCH)
        };
        Terms {
            texts: before(self.body_after),
            messages: before(self.drop_after),
            request_ids: before(self.request_id_horizon),
            parked: before(self.parking_horizon),
            quarantined: before(self.quarantine_horizon),
        }
    }
}

/// Between two rounds.
const INTERVAL: Duration = Duration::from_secs(60);
/// Between two batches of one round.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one batch may take: a connection that has fallen silent stays so.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rows of each kind in one batch.
const BATCH: u32 = 500;

/// Forgets.
pub struct Retention {
    store: Arc<dyn Store>,
    clock: SharedClock,
    config: RetentionConfig,
}

impl Retention {
    /// Puts the parts together.
    pub fn new(store: Arc<dyn Store>, clock: SharedClock, config: RetentionConfig) -> Self {
        Self { store, clock, config }
    }

    /// Starts it; it ends when the process drains.
    pub fn start(self, lifecycle: &Lifecycle) {
        let draining = lifecycle.draining();
        lifecycle.spawn("retention", async move {
            draining.run_until_cancelled(self.run()).await;
            Ok(())
        });
    }

    async fn run(&self) {
        loop {
            while self.round().await.filled(BATCH) {
                tokio::time::sleep(PAUSE).await;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Forgets one batch of each kind.
    pub async fn round(&self) -> Forgotten {
        let now = self.clock.now();
        let terms = self.config.terms(now);
        match tokio::time::timeout(PATIENCE, self.store.tidy(now, &terms, BATCH)).await {
            Ok(Ok(forgotten)) => {
                count(&forgotten);
                return forgotten;
            }
            Ok(Err(StoreError::NotOpen)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "what need not be kept could not be forgotten; it will be tried again");
            }
            Err(_) => tracing::warn!("what need not be kept is not forgotten: the history does not answer"),
        }
        Forgotten::default()
    }
}

fn count(forgotten: &Forgotten) {
    let kinds = [
        ("text", forgotten.texts),
        ("message", forgotten.messages),
        ("month", forgotten.months),
        ("request_id", forgotten.request_ids),
        ("parked_report", forgotten.parked),
        ("quarantined_event", forgotten.quarantined),
    ];
    for (kind, rows) in kinds {
        metrics::counter!("switchboard_retention_forgotten_total", "kind" => kind).increment(rows);
    }
    if forgotten.parked > 0 {
        tracing::warn!(reports = forgotten.parked, "reports were parked for too long: no message of ours was meant");
    }
    if forgotten.quarantined > 0 {
        tracing::warn!(events = forgotten.quarantined, "quarantined events were never replayed, and are forgotten");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_that_cannot_be_kept_to_is_refused_by_name() {
        assert!(RetentionConfig::default().check().is_ok());
        let hasty = RetentionConfig { request_id_horizon: DAY / 2, ..RetentionConfig::default() };
        assert!(hasty.check().unwrap_err().to_string().starts_with("dispatcher.retention.request_id_horizon"));
        let upside_down = RetentionConfig { drop_after: DAY, ..RetentionConfig::default() };
        assert!(upside_down.check().unwrap_err().to_string().contains("body_after: set it to 2160h or more"));
    }

    #[test]
    fn an_endless_retention_keeps_everything() {
        let endless = RetentionConfig { drop_after: Duration::MAX, ..RetentionConfig::default() };
        assert_eq!(endless.terms(DateTime::from_timestamp(1_800_000_000, 0).unwrap()).messages, DateTime::UNIX_EPOCH);
    }
}
