//! Keeps a cache in step with config-service: the subscriber's side of the watch, without knowing what is cached.
//!
//! A task connects, says hello with what it has, applies snapshots and changes to a [`WatchSink`], acknowledges them,
//! and connects again with jittered back-off whenever the stream ends or falls silent. What the sink holds stays in use
//! all the while: a lost stream never empties a cache. [`WatchStatus`] tells whether the stream is alive right now, which
//! is what decides if an entry past its TTL must be asked for again.

mod session;
mod status;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::future::{BoxFuture, FutureExt as _, ready};
use serde::Deserialize;
use switchboard_proto::config::v1::{Change, NodeKind, OrganizationEntry};

pub use status::{Position, Recalled, WatchStatus};

use tokio::time::Instant;

use crate::{grpc::client::AuthorizedChannel, http::Check, lifecycle::Lifecycle};

/// How the watch is kept alive: `[<service>.watch]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchSettings {
    /// How often config-service sends a heartbeat; after three missed ones the stream is dead. Default: 2 s.
    #[serde(with = "humantime_serde")]
    pub heartbeat_interval: Duration,
    /// Shortest wait before connecting again. Default: 100 ms.
    #[serde(with = "humantime_serde")]
    pub reconnect_min: Duration,
    /// Longest wait before connecting again. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub reconnect_max: Duration,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_secs(2),
            reconnect_min: Duration::from_millis(100),
            reconnect_max: Duration::from_secs(5),
        }
    }
}

impl WatchSettings {
    /// How long a stream may be silent before it is dead.
    pub fn silence(&self) -> Duration {
        self.heartbeat_interval * 3
    }

    fn delays(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let last = self.reconnect_max;
        ExponentialBuilder::default()
            .with_min_delay(self.reconnect_min)
            .with_max_delay(self.reconnect_max)
            .with_jitter()
            .without_max_times()
            .build()
            .chain(std::iter::repeat(last))
    }
}

/// What is kept in step. Both writes are all or nothing, and readers never see a half-applied one.
pub trait WatchSink: Send + Sync + 'static {
    /// Replaces everything by a snapshot.
    ///
    /// # Errors
    ///
    /// Why it cannot be used; then nothing has changed, and config-service is told.
    fn replace_all(&self, entries: Vec<OrganizationEntry>, position: &Position) -> Result<(), Refused>;

    /// Applies a change: the organisation's new entry, or none because it was deleted.
    ///
    /// # Errors
    ///
    /// Why it cannot be used; then the organisation's old entry stays, and config-service is told.
    fn apply(&self, change: Change) -> Result<(), Refused>;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool;

    /// Fills itself from what was kept of an earlier time, if anything was. Asked before each attempt to connect, as long
    /// as there is nothing in it; it must not take long.
    fn recall(&self) -> BoxFuture<'_, Option<Recalled>> {
        ready(None).boxed()
    }
}

/// Why a snapshot or change cannot be used, in one sentence without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Who subscribes.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// What the node calls itself; one stream a node.
    pub node_id: String,
    /// What it is; must fit the role of its token.
    pub kind: NodeKind,
    /// How the stream is kept alive.
    pub settings: WatchSettings,
    /// How long what is there may be used without a stream; `None`: for ever.
    pub max_stale: Option<Duration>,
}

/// Starts the subscription; it ends when the process drains.
///
/// `check` is not ready until the sink has content, ready while the stream is alive, degraded while it is not, and not
/// ready again once what is there has become too old to be used.
pub fn spawn(
    subscriber: Subscriber,
    channel: AuthorizedChannel,
    sink: Arc<dyn WatchSink>,
    lifecycle: &Lifecycle,
    check: Check,
) -> Arc<WatchStatus> {
    let status = Arc::new(WatchStatus::new(subscriber.settings.silence()));
    let watch = Watch { subscriber, channel, sink, status: Arc::clone(&status), check };
    let draining = lifecycle.draining();
    lifecycle.spawn("config watch", async move {
        tokio::select! {
            // First, as the neighbours drain at the same moment and end the stream.
            biased;
            () = draining.cancelled() => Ok(()),
            () = watch.run() => Ok(()),
            () = watch.show_age() => Ok(()),
        }
    });
    status
}

struct Watch {
    subscriber: Subscriber,
    channel: AuthorizedChannel,
    sink: Arc<dyn WatchSink>,
    status: Arc<WatchStatus>,
    check: Check,
}

impl Watch {
    /// Connects again and again.
    async fn run(&self) {
        let settings = &self.subscriber.settings;
        let mut delays = settings.delays();
        loop {
            if !self.status.has_content()
                && let Some(recalled) = self.sink.recall().await
            {
                self.status.recalled(&recalled, Instant::now());
                self.lost("not connected to config-service yet");
            }
            let mut live = false;
            let end = session::run(self, &mut live).await;
            self.lost(&end.to_string());
            if live {
                delays = settings.delays();
            }
            let delay = delays.next().unwrap_or(settings.reconnect_max);
            // The check has told whoever must act.
            let retry_in_ms = delay.as_millis();
            tracing::debug!(kind = self.kind(), error = %end, retry_in_ms, "config watch ended, connecting again");
            metrics::counter!("switchboard_config_watch_reconnects_total", "node_kind" => self.kind()).increment(1);
            tokio::time::sleep(delay).await;
        }
    }

    /// Shows how long ago what is kept was last known to be current.
    async fn show_age(&self) {
        let age = metrics::gauge!("switchboard_config_cache_age_seconds", "node_kind" => self.kind());
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            let now = ticks.tick().await;
            if let Some(known) = self.status.age(now) {
                age.set(known.as_secs_f64());
            }
        }
    }

    /// The stream delivers.
    fn alive(&self) {
        self.check.ready();
        self.report();
    }

    /// The stream does not deliver: what is there goes on being used, until it is too old.
    fn lost(&self, why: &str) {
        self.status.disconnected();
        let age = self.status.age(Instant::now());
        match age {
            None => self.check.not_ready(format!("no configuration yet: {why}")),
            Some(age) if self.subscriber.max_stale.is_some_and(|max_stale| age >= max_stale) => {
                self.check.not_ready(format!(
                    "the configuration was last confirmed {} ago, which is too long to go by: {why}",
                    coarse(age)
                ));
            }
            Some(age) => self.check.degraded(format!(
                "using {} of the configuration, last confirmed {} ago, while {why}",
                self.status.description(),
                coarse(age)
            )),
        }
        self.report();
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and revisions stay far below 2^52")]
    fn report(&self) {
        let connected = if self.status.is_connected() { 1.0 } else { 0.0 };
        metrics::gauge!("switchboard_config_watch_connected", "node_kind" => self.kind()).set(connected);
        metrics::gauge!("switchboard_config_watch_revision", "node_kind" => self.kind())
            .set(self.status.revision() as f64);
        // Alive, it is confirmed all the time.
        let age = if self.status.is_connected() { Some(Duration::ZERO) } else { self.status.age(Instant::now()) };
        if let Some(age) = age {
            metrics::gauge!("switchboard_config_snapshot_age_seconds", "node_kind" => self.kind())
                .set(age.as_secs_f64());
        }
    }

    fn kind(&self) -> &'static str {
        match self.subscriber.kind {
            NodeKind::Unspecified => "unspecified",
            NodeKind::Dispatcher => "dispatcher",
            NodeKind::WebhookGateway => "webhook-gateway",
        }
    }
}

/// An age for people, who are not told again with every second.
fn coarse(age: Duration) -> String {
    let seconds = match age.as_secs() {
        0..60 => return "less than a minute".to_owned(),
        seconds @ 60..3600 => seconds / 60 * 60,
        seconds => seconds / 600 * 600,
    };
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}
