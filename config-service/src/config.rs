//! The section `config_service`.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use switchboard_runtime::config::{self, ConfigError, Listen};

use crate::provider_configs::LONGEST_OVERLAP;

/// The section `config_service`.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where gRPC listens. Default: 127.0.0.1:7002.
    pub listen: Listen,
    /// Where metrics and health listen. Default: 127.0.0.1:7005.
    pub metrics_listen: Listen,
    /// `sqlite://path` or `postgres://…`. Default: `config.db` under `data_dir`.
    pub database_url: Option<String>,
    /// A file with nothing but that address, mode 0600, since it may hold a password. Default: none.
    pub database_url_file: Option<PathBuf>,
    /// The key ring that seals credentials, mode 0600. Default: `keys.json` under `data_dir`.
    pub key_file: Option<PathBuf>,
    /// How often a heartbeat goes to every subscriber; three missed ones mean a dead stream. Default: 2s.
    #[serde(with = "humantime_serde")]
    pub heartbeat_interval: Duration,
    /// How often to look for changes of other replicas when nobody wakes this one; ten times as often for what they tell of
    /// their nodes, while a caller waits for it. Default: 500ms.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
    /// How long a subscriber may leave what it was sent unread or unacknowledged. Default: 60s.
    #[serde(with = "humantime_serde")]
    pub subscriber_patience: Duration,
    /// How many changes may wait for a subscriber before it is told to resume. Default: 1024.
    pub subscriber_queue: usize,
    /// How long changes are kept for subscribers that come back. Default: 24h.
    #[serde(with = "humantime_serde")]
    pub change_retention: Duration,
    /// How long a replaced webhook secret stays valid, a year at most. Default: 24h.
    #[serde(with = "humantime_serde")]
    pub webhook_secret_overlap: Duration,
    /// How long a vendor may take to answer a connection test. Default: 10s.
    #[serde(with = "humantime_serde")]
    pub connection_test_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::local(7002),
            metrics_listen: Listen::local(7005),
            database_url: None,
            database_url_file: None,
            key_file: None,
            heartbeat_interval: Duration::from_secs(2),
            poll_interval: Duration::from_millis(500),
            subscriber_patience: Duration::from_secs(60),
            subscriber_queue: 1_024,
            change_retention: Duration::from_secs(24 * 60 * 60),
            webhook_secret_overlap: Duration::from_secs(24 * 60 * 60),
            connection_test_timeout: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// Reads the files that hold what may also stand in the settings themselves.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn read_files(&mut self) -> Result<(), ConfigError> {
        let file = self.database_url_file.take();
        self.database_url = config::url("config_service.database_url", self.database_url.as_deref(), file.as_deref())?;
        Ok(())
    }

    /// Refuses what no service can work with.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.webhook_secret_overlap > LONGEST_OVERLAP {
            return Err(ConfigError::new(
                "the setting config_service.webhook_secret_overlap is longer than a year; allowed: 365d or less",
            ));
        }
        Ok(())
    }

    /// Where the key ring is.
    pub fn key_file(&self, data_dir: &std::path::Path) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| data_dir.join("keys.json"))
    }
}

/// Without the database URL, which may hold a password.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("metrics_listen", &self.metrics_listen)
            .field("key_file", &self.key_file)
            .finish_non_exhaustive()
    }
}
