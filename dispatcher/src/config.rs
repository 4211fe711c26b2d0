//! The section `dispatcher`.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;
use serde::Deserialize;
use switchboard_runtime::{
    config::{self, ConfigError, Listen, de},
    watch_client::WatchSettings,
};

use crate::{
    outbound::{BreakerSettings, Limits},
    retention::RetentionConfig,
    store::postgres::PoolSizes,
};

/// The section `dispatcher`.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where gRPC listens. Default: 127.0.0.1:7001.
    pub listen: Listen,
    /// Where metrics and health listen. Default: 127.0.0.1:7004.
    pub metrics_listen: Listen,
    /// `sqlite://path` or `postgres://…`. Default: `dispatcher.db` under `data_dir`.
    pub database_url: Option<String>,
    /// A file with nothing but that address, mode 0600, since it may hold a password. Default: none.
    pub database_url_file: Option<PathBuf>,
    /// Connections to a PostgreSQL.
    pub database_pool: DatabasePool,
    /// How long what is kept.
    pub retention: RetentionConfig,
    /// Where config-service is. Default: http://127.0.0.1:7002.
    pub config_service_url: String,
    /// The token to show to config-service. Default: the entry `dispatcher` of the tokens file.
    #[serde(deserialize_with = "de::secret")]
    pub token: Option<SecretString>,
    /// A file with that token. Default: none.
    pub token_file: Option<PathBuf>,
    /// What this dispatcher calls itself. Default: a new name at each start.
    pub node_id: Option<String>,
    /// How the watch is kept alive.
    pub watch: WatchSettings,
    /// Without a healthy watch, how long a mapping is good before it is asked for again. Default: 30s.
    #[serde(with = "humantime_serde")]
    pub cache_ttl: Duration,
    /// How long the last known mappings serve when config-service cannot be reached. Default: 24h.
    #[serde(with = "humantime_serde")]
    pub max_stale: Duration,
    /// The key that seals the last known mappings, which are kept for a start without config-service: in Redis where
    /// `redis_url` is set, else under `data_dir`. Mode 0600; made by `switchboard keys snapshot`. Default: `snapshot.key`
    /// under `data_dir`; where that is not, nothing is kept.
    pub snapshot_key_file: Option<PathBuf>,
    /// Refuse organisations that config-service does not know, instead of serving them by the default. Default: false.
    pub require_known_organization: bool,
    /// How long a send waits for its record in a PostgreSQL that has fallen silent before it is refused; one that is slow,
    /// but answers, is waited for. Default: 800ms.
    #[serde(with = "humantime_serde")]
    pub record_timeout: Duration,
    /// How long a vendor call may take; then its outcome is in doubt. Default: 10s.
    #[serde(with = "humantime_serde")]
    pub send_timeout: Duration,
    /// Sends under way at once, by vendor account, whether or not they share a call. Default: 256.
    pub account_concurrency: usize,
    /// Texts of an account that go to the vendor in one call at most, when they are ready in the same moment and it takes
    /// several; 1: each goes alone. An answer that is lost leaves all of its call in doubt. Default: 32.
    pub texts_per_call: usize,
    /// Sends that wait for a place at most, by vendor account. Default: 1024.
    pub account_queue: usize,
    /// How long a send waits for a place before it is refused as overloaded. Default: 2s.
    #[serde(with = "humantime_serde")]
    pub queue_wait: Duration,
    /// Sends a second by vendor account, whether or not they share a call; 0: as many as the concurrency allows. Default: 0.
    pub account_rate: u32,
    /// How long a send that the vendor has certainly not taken is tried again before it fails. Default: 5s.
    #[serde(with = "humantime_serde")]
    pub retry_for: Duration,
    /// When a vendor account is left alone.
    pub breaker: BreakerConfig,
    /// Refuse advertisements from 21:00 to 08:00 Korean time. Default: true.
    pub ad_night_window: bool,
    /// How long after its last move an open message is looked after. Default: 30s.
    #[serde(with = "humantime_serde")]
    pub reconcile_after: Duration,
    /// How long after a call with unknown outcome a vendor that does not find the message is believed, beyond the time
    /// for which its document says that it may not find it yet. Default: 10s.
    #[serde(with = "humantime_serde")]
    pub absence_margin: Duration,
    /// How long a result may take; then the message is unresolved, and what the vendor never had is not sent any more.
    /// Default: 24h.
    #[serde(with = "humantime_serde")]
    pub result_horizon: Duration,
}

impl Config {
    /// Reads the files that hold what may also stand in the settings themselves.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn read_files(&mut self) -> Result<(), ConfigError> {
        let file = self.database_url_file.take();
        self.database_url = config::url("dispatcher.database_url", self.database_url.as_deref(), file.as_deref())?;
        Ok(())
    }

    /// Whether every value is one that can be meant. What cannot is refused, not taken for what is nearest to it: 50 for 50 %
    /// would be a breaker that opens when every call fails.
    ///
    /// # Errors
    /// A sentence that names the setting and what is allowed.
    pub fn check(&self) -> Result<(), ConfigError> {
        let BreakerConfig { failure_rate, trial_calls, .. } = self.breaker;
        let rules = [
            (self.account_concurrency > 0, "account_concurrency", "1 or more"),
            (!self.send_timeout.is_zero(), "send_timeout", "more than 0s"),
            (!self.reconcile_after.is_zero(), "reconcile_after", "more than 0s"),
            (!self.result_horizon.is_zero(), "result_horizon", "more than 0s"),
            (
                failure_rate > 0.0 && failure_rate <= 1.0,
                "breaker.failure_rate",
                "a share above 0 and up to 1, such as 0.5",
            ),
            (trial_calls > 0, "breaker.trial_calls", "1 or more"),
        ];
        match rules.iter().find(|(holds, ..)| !holds) {
            Some((_, key, allowed)) => {
                Err(ConfigError::new(format!("the setting dispatcher.{key} is out of range; allowed: {allowed}")))
            }
            None => self.retention.check(self.result_horizon),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::local(7001),
            metrics_listen: Listen::local(7004),
            database_url: None,
            database_url_file: None,
            database_pool: DatabasePool::default(),
            retention: RetentionConfig::default(),
            config_service_url: "http://127.0.0.1:7002".to_owned(),
            token: None,
            token_file: None,
            node_id: None,
            watch: WatchSettings::default(),
            cache_ttl: Duration::from_secs(30),
            max_stale: Duration::from_secs(24 * 3600),
            snapshot_key_file: None,
            require_known_organization: false,
            record_timeout: Duration::from_millis(800),
            send_timeout: Duration::from_secs(10),
            account_concurrency: 256,
            texts_per_call: 32,
            account_queue: 1024,
            queue_wait: Duration::from_secs(2),
            account_rate: 0,
            retry_for: Duration::from_secs(5),
            breaker: BreakerConfig::default(),
            ad_night_window: true,
            reconcile_after: Duration::from_secs(30),
            absence_margin: Duration::from_secs(10),
            result_horizon: Duration::from_secs(24 * 3600),
        }
    }
}

impl Config {
    /// Where the key is that seals the kept mappings.
    pub fn snapshot_key_file(&self, data_dir: &Path) -> PathBuf {
        self.snapshot_key_file.clone().unwrap_or_else(|| data_dir.join("snapshot.key"))
    }
}

/// Without the database URL, which may hold a password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("metrics_listen", &self.metrics_listen)
            .field("config_service_url", &self.config_service_url)
            .finish_non_exhaustive()
    }
}

/// The section `dispatcher.database_pool`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabasePool {
    /// Connections that claim, tidy, and commit what is locked and read first; what is usually sent and reported is
    /// committed over up to 5 more. Default: 3.
    pub writers: u32,
    /// Connections that read. Default: 8.
    pub readers: u32,
}

impl Default for DatabasePool {
    fn default() -> Self {
        Self { writers: 3, readers: 8 }
    }
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self {
            concurrency: config.account_concurrency,
            texts_per_call: config.texts_per_call,
            queue: config.account_queue,
            queue_wait: config.queue_wait,
            send_timeout: config.send_timeout,
            breaker: (&config.breaker).into(),
        }
    }
}

impl From<DatabasePool> for PoolSizes {
    fn from(pool: DatabasePool) -> Self {
        Self { writers: pool.writers.max(2), readers: pool.readers.max(1) }
    }
}

/// The section `dispatcher.breaker`: when a vendor account is left alone.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Share of calls that fail by the vendor's fault within the window, above 0 and at most 1. Default: 0.5.
    pub failure_rate: f64,
    /// The window; below 1s it is 1s, beyond a day a day. Default: 30s.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// Calls within the window before the rate says anything. Default: 20.
    pub least_calls: u32,
    /// How long the account is left alone first; below 1s it is 1s, beyond a day a day. Default: 5s.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
    /// Calls at once that try it after the pause. Default: 2.
    pub trial_calls: usize,
    /// How long it takes from the first success back to full traffic. Default: 30s.
    #[serde(with = "humantime_serde")]
    pub recovery: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failure_rate: 0.5,
            window: Duration::from_secs(30),
            least_calls: 20,
            pause: Duration::from_secs(5),
            trial_calls: 2,
            recovery: Duration::from_secs(30),
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl From<&BreakerConfig> for BreakerSettings {
    fn from(config: &BreakerConfig) -> Self {
        Self {
            failure_rate: config.failure_rate,
            window: config.window.clamp(Duration::from_secs(1), DAY),
            least_calls: config.least_calls,
            pause: config.pause.clamp(Duration::from_secs(1), DAY),
            trial_calls: config.trial_calls,
            recovery: config.recovery,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named_with_what_is_allowed() {
        Config::default().check().unwrap();
        let breaker = |failure_rate| BreakerConfig { failure_rate, ..BreakerConfig::default() };
        let wrong = [
            (Config { account_concurrency: 0, ..Config::default() }, "account_concurrency"),
            (Config { send_timeout: Duration::ZERO, ..Config::default() }, "send_timeout"),
            (Config { breaker: breaker(50.0), ..Config::default() }, "breaker.failure_rate"),
            (Config { breaker: breaker(f64::NAN), ..Config::default() }, "breaker.failure_rate"),
            (Config { result_horizon: Duration::MAX, ..Config::default() }, "retention.body_after"),
        ];
        for (config, words) in wrong {
            let refused = config.check().unwrap_err().to_string();
            assert!(refused.contains(&format!("dispatcher.{words}")), "{refused}");
        }
    }

    #[test]
    fn the_password_of_the_database_is_not_shown() {
        let config = Config { database_url: Some("postgres://user:s3cr3t@db".to_owned()), ..Config::default() };
        let shown = format!("{config:?}");
        assert!(shown.contains("7001") && !shown.contains("s3cr3t"), "{shown}");
    }
}
