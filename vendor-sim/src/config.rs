//! Where the two simulated vendors listen.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Deserialize;

/// Settings that are fixed for a run. Everything else is changed while it runs, over the control endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `vendor_sim.cloudmsg_listen`: address of the simulated CloudMsg, default `127.0.0.1:7011`; port 0 picks one.
    pub cloudmsg_listen: SocketAddr,
    /// `vendor_sim.sendtalk_listen`: address of the simulated SendTalk, default `127.0.0.1:7012`; port 0 picks one.
    pub sendtalk_listen: SocketAddr,
    /// `vendor_sim.seed_accounts`: start with the accounts of [`crate::demo`], default `true`.
    pub seed_accounts: bool,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self { cloudmsg_listen: loopback(7011), sendtalk_listen: loopback(7012), seed_accounts: true }
    }
}

impl Config {
    /// Two ports that the system picks, with the seeded accounts: what tests want.
    #[must_use]
    pub fn on_free_ports() -> Self {
        let free = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self { cloudmsg_listen: free, sendtalk_listen: free, seed_accounts: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_means_the_documented_ports() {
        let config: Config = serde_json::from_str("{}").unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.cloudmsg_listen.to_string(), "127.0.0.1:7011");
        assert_eq!(config.sendtalk_listen.to_string(), "127.0.0.1:7012");
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = serde_json::from_str::<Config>(r#"{"listen":"x"}"#).unwrap_err();
        assert!(error.to_string().contains("`listen`"), "{error}");
    }
}
