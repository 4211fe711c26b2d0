//! Every setting: one TOML file, over it the environment, over it the command line.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use serde::Deserialize;
use switchboard_providers::VendorSettings;
use switchboard_runtime::{
    Ids, SystemClock,
    config::{AuthConfig, ConfigError, Loader, LogConfig, TelemetryConfig, TlsConfig},
    lifecycle::Lifecycle,
    process::Process,
};

/// Variables of ours that are no settings: those of the client commands and of the tests.
const NOT_SETTINGS: [&str; 6] = [
    "SWITCHBOARD_TOKEN",
    "SWITCHBOARD_TOKEN_FILE",
    "SWITCHBOARD_DISPATCHER_URL",
    "SWITCHBOARD_CONFIG_SERVICE_URL",
    "SWITCHBOARD_TEST_POSTGRES_URL",
    "SWITCHBOARD_TEST_REDIS_URL",
];

/// The whole of the settings.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `data_dir`: where embedded storage, keys and tokens live. Default: `.switchboard`.
    pub data_dir: PathBuf,
    /// `redis_url`: what replicas share. Default: none, in-process stand-ins.
    pub redis_url: Option<String>,
    /// `redis_url_file`: a file with nothing but that address, mode 0600. Default: none.
    pub redis_url_file: Option<PathBuf>,
    /// `auth`: who may call.
    pub auth: AuthConfig,
    /// `tls`: the certificates of this process.
    pub tls: TlsConfig,
    /// `log`: what is logged, and how.
    pub log: LogConfig,
    /// `telemetry`: traces.
    pub telemetry: TelemetryConfig,
    /// `providers.<code>`: where the vendors are.
    pub providers: BTreeMap<String, VendorSettings>,
    /// `dispatcher`.
    pub dispatcher: switchboard_dispatcher::Config,
    /// `config_service`.
    pub config_service: switchboard_config_service::Config,
    /// `webhook_gateway`.
    pub webhook_gateway: switchboard_webhook_gateway::Config,
    /// `vendor_sim`: the simulated vendors.
    pub vendor_sim: switchboard_vendor_sim::Config,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from(".switchboard"),
            redis_url: None,
            redis_url_file: None,
            auth: AuthConfig::default(),
            tls: TlsConfig::default(),
            log: LogConfig::default(),
            telemetry: TelemetryConfig::default(),
            providers: BTreeMap::new(),
            dispatcher: switchboard_dispatcher::Config::default(),
            config_service: switchboard_config_service::Config::default(),
            webhook_gateway: switchboard_webhook_gateway::Config::default(),
            vendor_sim: switchboard_vendor_sim::Config::default(),
        }
    }
}

/// The flags that every command has.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Settings")]
pub struct Flags {
    /// Settings file (TOML)
    #[arg(long, global = true, value_name = "FILE", env = "SWITCHBOARD_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where embedded storage, keys and tokens live [default: .switchboard]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Sets one setting, such as dispatcher.cache_ttl=10s; may be given more than once
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
}

/// Reads `KEY=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

impl Settings {
    /// Loads the settings. `defaults` lie below the file: what a command wants unless somebody says otherwise.
    ///
    /// # Errors
    /// One sentence that names the key, the place it came from and what is allowed.
    pub fn load(flags: &Flags, defaults: &[(&str, &str)]) -> Result<Self, ConfigError> {
        let mut loader = Loader::new();
        for (key, value) in defaults {
            loader = loader.overlay(key, value);
        }
        loader = loader.file(flags.config.clone()).ignoring(NOT_SETTINGS).env();
        if let Some(data_dir) = &flags.data_dir {
            loader = loader.overlay("data_dir", data_dir);
        }
        for (key, value) in &flags.set {
            loader = loader.overlay(key, value);
        }
        loader.load()
    }

    /// The tokens file: the one that is set, or the one that `up` makes.
    pub fn tokens_file(&self) -> PathBuf {
        self.auth.tokens_file.clone().unwrap_or_else(|| self.data_dir.join("tokens.json"))
    }

    /// The tokens file of a service: where there are JWTs, one that nobody has named or made is not missed.
    fn callers(&self) -> Option<PathBuf> {
        let path = self.tokens_file();
        let dispensable = self.auth.jwt.is_some() && self.auth.tokens_file.is_none() && !path.exists();
        (!dispensable).then_some(path)
    }

    /// The URL of a gRPC server of these settings that listens on `address`.
    pub fn grpc_url(&self, address: SocketAddr) -> String {
        reached_at(if self.tls.certificate_file.is_some() { "https" } else { "http" }, address)
    }

    /// The URL of the webhook gateway of these settings when it listens on `address`.
    pub fn webhook_url(&self, address: SocketAddr) -> String {
        reached_at(if self.tls.webhook.certificate_file.is_some() { "https" } else { "http" }, address)
    }

    /// What a service gets from this process.
    pub fn process(&self, lifecycle: &Lifecycle) -> Process {
        Process {
            data_dir: self.data_dir.clone(),
            auth: AuthConfig { tokens_file: self.callers(), ..self.auth.clone() },
            tls: self.tls.clone(),
            redis_url: self.redis_url.clone(),
            clock: SystemClock::shared(),
            ids: Ids::new(),
            lifecycle: lifecycle.clone(),
        }
    }
}

/// The URL at which somebody on this machine reaches what listens on `address`.
pub fn url_of(address: SocketAddr) -> String {
    reached_at("http", address)
}

fn reached_at(scheme: &str, address: SocketAddr) -> String {
    format!("{scheme}://{}", reachable(address))
}

/// Where somebody on this machine reaches what listens on `address`.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_everyone_is_reached_over_loopback() {
        assert_eq!(url_of("0.0.0.0:7001".parse().unwrap()), "http://127.0.0.1:7001");
        assert_eq!(url_of("[::]:7001".parse().unwrap()), "http://[::1]:7001");
        assert_eq!(url_of("10.0.0.5:80".parse().unwrap()), "http://10.0.0.5:80");
    }

    #[test]
    fn the_example_file_holds_only_settings_that_exist() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../switchboard.example.toml");
        let flags = Flags { config: Some(example.into()), ..Flags::default() };
        let settings = Settings::load(&flags, &[]).unwrap();
        assert_eq!(settings.dispatcher.listen, switchboard_dispatcher::Config::default().listen);
    }

    #[test]
    fn a_flag_wins_over_a_default_and_an_unknown_key_is_named() {
        let flag = |key: &str, value: &str| Flags { set: vec![(key.to_owned(), value.to_owned())], ..Flags::default() };
        let settings = Settings::load(&flag("log.filter", "debug"), &[("log.filter", "warn")]).unwrap();
        assert_eq!(settings.log.filter, "debug");
        let error = Settings::load(&flag("dispatcher.lissten", "x"), &[]).err().unwrap().to_string();
        assert!(error.contains("dispatcher.lissten") && error.contains("listen"), "{error}");
    }
}
