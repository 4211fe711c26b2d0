//! The section `webhook_gateway`.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;
use switchboard_runtime::{
    config::{ConfigError, Listen, TokenSource, de},
    watch_client::WatchSettings,
};

/// Settings of the webhook gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `webhook_gateway.listen`: where vendors call. Default: `127.0.0.1:7003`.
    pub listen: Listen,
    /// `webhook_gateway.metrics_listen`: metrics and health. Default: `127.0.0.1:7006`.
    pub metrics_listen: Listen,
    /// `webhook_gateway.config_service_url`: where the secrets come from. Default: `http://127.0.0.1:7002`.
    pub config_service_url: String,
    /// `webhook_gateway.dispatcher_url`: where the results go. Default: `http://127.0.0.1:7001`.
    pub dispatcher_url: String,
    /// `webhook_gateway.token`: what it shows to both. Default: the entry `webhook-gateway` of the tokens file.
    #[serde(deserialize_with = "de::secret")]
    pub token: Option<SecretString>,
    /// `webhook_gateway.token_file`: a file with nothing but that token. Default: none.
    pub token_file: Option<PathBuf>,
    /// `webhook_gateway.node_id`: what it calls itself on the watch. Default: a new name at every start.
    pub node_id: Option<String>,
    /// `webhook_gateway.max_callbacks`: callbacks under way at once; more are told to come again. Default: 512.
    pub max_callbacks: usize,
    /// `webhook_gateway.max_reports`: calls to the dispatcher under way at once. Default: 4.
    pub max_reports: usize,
    /// `webhook_gateway.body_timeout`: how long a body may take to arrive. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// `webhook_gateway.report_timeout`: how long the dispatcher may take to commit; the vendors wait 5 s and 15 s.
    /// Default: 4 s.
    #[serde(with = "humantime_serde")]
    pub report_timeout: Duration,
    /// `webhook_gateway.retry_after`: when a vendor that had to be refused is asked to come again. Default: 5 s.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    /// `webhook_gateway.watch`: how the connection to config-service is kept alive.
    pub watch: WatchSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::local(7003),
            metrics_listen: Listen::local(7006),
            config_service_url: "http://127.0.0.1:7002".to_owned(),
            dispatcher_url: "http://127.0.0.1:7001".to_owned(),
            token: None,
            token_file: None,
            node_id: None,
            max_callbacks: 512,
            max_reports: 4,
            body_timeout: Duration::from_secs(5),
            report_timeout: Duration::from_secs(4),
            retry_after: Duration::from_secs(5),
            watch: WatchSettings::default(),
        }
    }
}

impl Config {
    pub(crate) fn token_source(&self) -> TokenSource {
        TokenSource { token: self.token.clone(), token_file: self.token_file.clone() }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (key, value) in [("max_callbacks", self.max_callbacks), ("max_reports", self.max_reports)] {
            if value == 0 {
                return Err(ConfigError::new(format!("the setting webhook_gateway.{key} is 0; allowed: 1 or more")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_means_the_documented_addresses() {
        let config: Config = serde_json::from_str("{}").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:7003");
        assert_eq!(config.metrics_listen.to_string(), "127.0.0.1:7006");
        assert!(config.check().is_ok());
    }

    #[test]
    fn a_limit_of_nothing_is_refused_by_name() {
        let config = Config { max_reports: 0, ..Config::default() };
        assert!(config.check().unwrap_err().to_string().contains("webhook_gateway.max_reports"));
    }
}
