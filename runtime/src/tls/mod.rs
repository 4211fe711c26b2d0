//! TLS of this process: the one cryptographic provider, its certificates, and their replacement while it runs.
//!
//! Every handshake takes the configuration of the moment, so a renewed certificate needs no restart and ends no
//! connection. A new file that cannot be used changes nothing but the log and the metrics: the old one goes on.

mod client;
mod files;
mod reload;
mod server;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub use client::ClientTls;
pub(crate) use client::Connector;
pub use server::ServerTls;

use crate::clock::SharedClock;
use crate::config::{ConfigError, TlsConfig};
use crate::lifecycle::Lifecycle;
use files::Pair;
use reload::Watched;

/// Makes `ring` the default of rustls, for vendors' HTTPS and for TLS between services. May be called any number of
/// times; the first call decides.
pub fn install_crypto() {
    // An error means only that a default is in place already.
    let _ = ring::default_provider().install_default();
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What a process speaks TLS with. Without settings: plain servers, and `https://` services checked against the
/// machine's authorities.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// For every gRPC server of the process; `None`: plain TCP.
    pub server: Option<ServerTls>,
    /// For the webhook gateway; `None`: plain HTTP.
    pub webhook: Option<ServerTls>,
    /// For calls to other services.
    pub client: ClientTls,
}

impl Tls {
    /// Reads the certificates and looks at their files again every `tls.reload_interval` until the process drains.
    ///
    /// # Errors
    /// [`ConfigError`]: a setting without its partner, a file that cannot be read or holds something else, a key that
    /// does not belong to its certificate. Names setting and file.
    pub fn start(config: &TlsConfig, clock: &SharedClock, lifecycle: &Lifecycle) -> Result<Self, ConfigError> {
        let (tls, watched) = Self::load(config)?;
        if !watched.is_empty() {
            reload::start(watched, config.reload_interval, clock.clone(), lifecycle);
        }
        Ok(tls)
    }

    /// The same without looking again: for a command that soon ends.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn once(config: &TlsConfig) -> Result<Self, ConfigError> {
        Ok(Self::load(config)?.0)
    }

    fn load(config: &TlsConfig) -> Result<(Self, Vec<Watched>), ConfigError> {
        let mut watched = Vec::new();
        let own = Pair::of("tls.certificate_file", &config.certificate_file, "tls.key_file", &config.key_file)?;
        if own.is_none() && config.client_ca_file.is_some() {
            return Err(ConfigError::new(
                "tls.client_ca_file is set without tls.certificate_file: callers can only be asked for certificates \
                 over TLS; set tls.certificate_file and tls.key_file too",
            ));
        }
        let server = own.clone().map(|pair| ServerTls::grpc(pair, config.client_ca_file.clone())).transpose()?;
        let webhook = Pair::of(
            "tls.webhook.certificate_file",
            &config.webhook.certificate_file,
            "tls.webhook.key_file",
            &config.webhook.key_file,
        )?;
        let webhook = webhook.map(ServerTls::http).transpose()?;
        let shown = Pair::of(
            "tls.client_certificate_file",
            &config.client_certificate_file,
            "tls.client_key_file",
            &config.client_key_file,
        )?;
        let client = ClientTls::load(config.ca_file.clone(), shown.or(own))?;
        let mut add = |watch: Option<Watched>| watched.extend(watch);
        add(server.as_ref().map(|server| server.watched("server")));
        add(webhook.as_ref().map(|webhook| webhook.watched("webhook")));
        add(client.watched());
        Ok((Self { server, webhook, client }, watched))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installing_twice_leaves_one_provider() {
        install_crypto();
        install_crypto();
        assert!(CryptoProvider::get_default().is_some());
    }
}
