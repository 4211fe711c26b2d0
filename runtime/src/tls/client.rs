//! TLS towards other services: whom to trust, and what to show.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use chrono::{DateTime, Utc};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::files::{self, Named, Pair};
use super::provider;
use super::reload::Watched;
use crate::config::ConfigError;

/// How `https://` services are called. Without settings: no certificate is shown, and theirs must come from the
/// machine's authorities. Clones share what is read anew.
#[derive(Clone, Default)]
pub struct ClientTls {
    source: Arc<Source>,
    /// Empty until somebody calls `https://`: a machine may have no authorities, and then needs none.
    current: Arc<ArcSwapOption<ClientConfig>>,
}

#[derive(Default)]
struct Source {
    ca: Option<Named>,
    shown: Option<Pair>,
}

impl ClientTls {
    pub(super) fn load(ca: Option<PathBuf>, shown: Option<Pair>) -> Result<Self, ConfigError> {
        let ca = ca.map(|path| Named { key: "tls.ca_file", path });
        let source = Source { ca, shown };
        source.check()?;
        Ok(Self { source: Arc::new(source), current: Arc::default() })
    }

    /// For connections to an `https://` service.
    ///
    /// # Errors
    /// When neither `tls.ca_file` nor the machine names an authority.
    pub(crate) fn connector(&self) -> Result<Connector, ConfigError> {
        let config = match self.current.load_full() {
            Some(config) => config,
            None => Arc::new(self.source.read()?),
        };
        self.current.store(Some(Arc::clone(&config)));
        Ok(Connector { first: config, current: Arc::clone(&self.current) })
    }

    pub(super) fn watched(&self) -> Option<Watched> {
        let (source, current) = (Arc::clone(&self.source), Arc::clone(&self.current));
        let mut paths: Vec<PathBuf> = source.shown.iter().flat_map(Pair::paths).collect();
        paths.extend(source.ca.as_ref().map(|ca| ca.path.clone()));
        if paths.is_empty() {
            return None;
        }
        Some(Watched::new("client", paths, move || {
            let expires = source.check()?;
            if current.load().is_some() {
                current.store(Some(Arc::new(source.read()?)));
            }
            Ok(expires)
        }))
    }
}

/// Takes the configuration of the moment for each connection.
#[derive(Clone)]
pub(crate) struct Connector {
    first: Arc<ClientConfig>,
    current: Arc<ArcSwapOption<ClientConfig>>,
}

impl Connector {
    pub(crate) fn get(&self) -> TlsConnector {
        TlsConnector::from(self.current.load_full().unwrap_or_else(|| Arc::clone(&self.first)))
    }
}

impl Source {
    /// Whether the files can be used, and until when the certificate is good.
    fn check(&self) -> Result<Option<DateTime<Utc>>, ConfigError> {
        if let Some(ca) = &self.ca {
            files::authorities(ca)?;
        }
        let Some(pair) = &self.shown else { return Ok(None) };
        let identity = pair.read()?;
        let expires = identity.expires;
        CertifiedKey::from_der(identity.chain, identity.key, &provider()).map_err(|error| pair.mismatch(&error))?;
        Ok(Some(expires))
    }

    fn read(&self) -> Result<ClientConfig, ConfigError> {
        let roots = match &self.ca {
            Some(ca) => files::authorities(ca)?,
            None => machine_authorities()?,
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::new(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(roots);
        let mut config = match &self.shown {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let identity = pair.read()?;
                builder.with_client_auth_cert(identity.chain, identity.key).map_err(|error| pair.mismatch(&error))?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

fn machine_authorities() -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(ConfigError::new(
            "this machine has no certificate authorities to check an https:// service against; set tls.ca_file",
        ));
    }
    Ok(roots)
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("shown", &self.source.shown).finish_non_exhaustive()
    }
}
