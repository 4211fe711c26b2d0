//! Forgets by itself what need not be kept any longer: texts and images first, whole messages later, request ids that
//! nobody repeats any more, reports that will not meet their message, events that nobody has replayed.
//!
//! In small batches with pauses between them, so that sends do not feel it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use switchboard_runtime::{Lifecycle, SharedClock, config::ConfigError};

use crate::store::{Forgotten, Store, StoreError, Terms};

/// The section `dispatcher.retention`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// How long a message's text and content are kept; not shorter than `dispatcher.result_horizon`. Default: 90 days.
    #[serde(with = "humantime_serde")]
    pub body_after: Duration,
    /// How long a message is kept at all; not shorter than `body_after` and `request_id_horizon`. Default: 3 years.
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
    /// Whether it can be kept to, where a result may take as long as `result_horizon`.
    ///
    /// # Errors
    ///
    /// One sentence that names the setting and what is allowed.
    pub fn check(&self, result_horizon: Duration) -> Result<(), ConfigError> {
        if self.request_id_horizon < DAY {
            return Err(ConfigError::new(
                "dispatcher.retention.request_id_horizon is shorter than callers may rely on: set 24h or more",
            ));
        }
        let [text, message] = [("retention.body_after", self.body_after), ("retention.drop_after", self.drop_after)];
        // What waits for its result may have to be sent once more, or by another way, and needs its text until then.
        not_shorter(text, ("result_horizon", result_horizon))?;
        not_shorter(message, text)?;
        // A request id names the message that it made: who repeats it is answered with that.
        not_shorter(message, ("retention.request_id_horizon", self.request_id_horizon))
    }

    fn terms(&self, now: DateTime<Utc>, months: bool) -> Terms {
        // What reaches back beyond our time keeps everything. No database has to know how far.
        let before = |kept: Duration| {
            let kept = TimeDelta::from_std(kept).ok();
            let before = kept.and_then(|kept| now.checked_sub_signed(kept));
            before.unwrap_or_default().max(DateTime::UNIX_EPOCH)
        };
        Terms {
            texts: before(self.body_after),
            messages: before(self.drop_after),
            request_ids: before(self.request_id_horizon),
            parked: before(self.parking_horizon),
            quarantined: before(self.quarantine_horizon),
            months,
        }
    }
}

/// One setting of the dispatcher must not be shorter than another.
fn not_shorter((name, value): (&str, Duration), (other, least): (&str, Duration)) -> Result<(), ConfigError> {
    if value < least {
        let hours = least.as_secs().div_ceil(3600);
        let remedy = format!("dispatcher.{name} is shorter than dispatcher.{other}: set it to {hours}h or more");
        return Err(ConfigError::new(remedy));
    }
    Ok(())
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
        // There from the start: what appears with its first failure has never risen.
        count_failures(0);
        let draining = lifecycle.draining();
        lifecycle.spawn("retention", async move {
            draining.run_until_cancelled(self.run()).await;
            Ok(())
        });
    }

    async fn run(&self) {
        loop {
            let mut forgotten = self.round(true).await;
            while forgotten.filled(BATCH) {
                tokio::time::sleep(PAUSE).await;
                forgotten = self.round(false).await;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Forgets one batch of each kind. Months, which lock tables for everybody, are seen to once a minute: in a round that
    /// follows at once, whoever holds them would still do so.
    async fn round(&self, months: bool) -> Forgotten {
        let now = self.clock.now();
        let terms = self.config.terms(now, months);
        match tokio::time::timeout(PATIENCE, self.store.tidy(now, &terms, BATCH)).await {
            Ok(Ok(forgotten)) => {
                count(&forgotten);
                return forgotten;
            }
            Ok(Err(StoreError::NotOpen)) => {}
            Ok(Err(error)) => {
                count_failures(1);
                tracing::warn!(%error, "what need not be kept could not be forgotten; it will be tried again");
            }
            Err(_) => {
                count_failures(1);
                tracing::warn!("what need not be kept is not forgotten: the history does not answer");
            }
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
    count_failures(forgotten.failed);
    if forgotten.parked > 0 {
        tracing::warn!(reports = forgotten.parked, "reports were parked for too long: no message of ours was meant");
    }
    if forgotten.quarantined > 0 {
        tracing::warn!(events = forgotten.quarantined, "quarantined events were never replayed, and are forgotten");
    }
}

fn count_failures(failures: u64) {
    metrics::counter!("switchboard_retention_failures_total").increment(failures);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_that_cannot_be_kept_to_is_refused_by_name() {
        let usual = RetentionConfig::default;
        assert!(usual().check(DAY).is_ok());
        let equal = RetentionConfig { body_after: 7 * DAY, drop_after: 7 * DAY, ..usual() };
        assert!(equal.check(7 * DAY).is_ok());
        let settings = [
            (RetentionConfig { request_id_horizon: DAY / 2, ..usual() }, "request_id_horizon", "set 24h or more"),
            (
                RetentionConfig { body_after: DAY / 2, ..usual() },
                "body_after",
                "dispatcher.result_horizon: set it to 24h",
            ),
            (
                RetentionConfig { drop_after: DAY, ..usual() },
                "drop_after",
                "retention.body_after: set it to 2160h or more",
            ),
            (
                RetentionConfig { body_after: DAY, drop_after: 6 * DAY, ..usual() },
                "drop_after",
                "retention.request_id_horizon: set it to 168h or more",
            ),
        ];
        for (config, setting, remedy) in settings {
            let error = config.check(DAY).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("dispatcher.retention.{setting} ")) && error.contains(remedy),
                "{error}"
            );
        }
    }

    #[test]
    fn an_endless_retention_keeps_everything() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        // Ten thousand years ago was before all that PostgreSQL knows, but not before all that we could say.
        for endless in [Duration::MAX, 10_000 * 365 * DAY] {
            let endless = RetentionConfig { drop_after: endless, ..RetentionConfig::default() };
            assert_eq!(endless.terms(now, true).messages, DateTime::UNIX_EPOCH);
        }
    }
}
