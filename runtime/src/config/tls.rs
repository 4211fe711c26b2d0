//! The section `tls`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// The section `tls`: certificates of this process. All files are PEM and are read again when they change. The port for
/// metrics and health is not concerned: it stays plain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// `tls.certificate_file`: the certificate chain of this process, its own first. With it every gRPC port speaks TLS
    /// and nothing else. Default: none, plain TCP.
    pub certificate_file: Option<PathBuf>,
    /// `tls.key_file`: the key of that certificate; not writable by the group and closed to others. Default: none.
    pub key_file: Option<PathBuf>,
    /// `tls.client_ca_file`: who signs the certificates of callers. With it a caller without such a certificate gets no
    /// connection. Default: none, callers need no certificate.
    pub client_ca_file: Option<PathBuf>,
    /// `tls.ca_file`: who signs the certificates of the services that are called at `https://`. Default: the machine's
    /// own authorities.
    pub ca_file: Option<PathBuf>,
    /// `tls.client_certificate_file`: what this process shows to services that ask for a certificate. Default:
    /// `tls.certificate_file`.
    pub client_certificate_file: Option<PathBuf>,
    /// `tls.client_key_file`: the key of that certificate. Default: `tls.key_file`.
    pub client_key_file: Option<PathBuf>,
    /// `tls.reload_interval`: how often the files are looked at. Default: 30s.
    #[serde(with = "humantime_serde")]
    pub reload_interval: Duration,
    /// `tls.webhook`: the certificate that vendors see.
    pub webhook: WebhookTlsConfig,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            ca_file: None,
            client_certificate_file: None,
            client_key_file: None,
            reload_interval: Duration::from_secs(30),
            webhook: WebhookTlsConfig::default(),
        }
    }
}

/// The section `tls.webhook`: HTTPS at the webhook gateway. Vendors show no certificates; their bodies are signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookTlsConfig {
    /// `tls.webhook.certificate_file`: the chain, one that vendors trust. Default: none, plain HTTP.
    pub certificate_file: Option<PathBuf>,
    /// `tls.webhook.key_file`: its key. Default: none.
    pub key_file: Option<PathBuf>,
}
