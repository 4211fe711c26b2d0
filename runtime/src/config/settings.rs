//! Settings that several sections share.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::JwtConfig;

/// An address to listen on: an IP address and a port, such as `127.0.0.1:7001` or `[::]:7001`. Port 0 takes a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl Listen {
    /// `port` on the loopback address, as every default is.
    #[must_use]
    pub const fn local(port: u16) -> Self {
        Self(SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port))
    }

    /// The address.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        self.0
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Listen> for SocketAddr {
    fn from(listen: Listen) -> Self {
        listen.0
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| {
            serde::de::Error::invalid_value(
                serde::de::Unexpected::Str(&text),
                &"an IP address and a port such as 127.0.0.1:7001",
            )
        })
    }
}

/// The section `log`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `log.format`: `text` for people (default), `json` for machines.
    pub format: LogFormat,
    /// `log.filter`: what is logged, such as `info` (default) or `info,switchboard_dispatcher=debug`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The section `auth`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// `auth.tokens_file`: JSON with every token, its roles and the organisations it is limited to; mode 0600.
    /// Default: none.
    pub tokens_file: Option<PathBuf>,
    /// `auth.reload_interval`: how often the tokens file is looked at; a new one is used without a restart. Default: 5s.
    #[serde(with = "humantime_serde")]
    pub reload_interval: Duration,
    /// `auth.jwt`: tokens that an identity provider signs, beside the tokens file or instead. Default: none.
    pub jwt: Option<JwtConfig>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self { tokens_file: None, reload_interval: Duration::from_secs(5), jwt: None }
    }
}
