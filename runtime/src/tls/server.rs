//! TLS of a server: the configuration of the moment.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::files::{self, Named, Pair};
use super::provider;
use super::reload::Watched;
use crate::config::ConfigError;

/// The certificate of a server, and whom it lets in. Clones share what is read anew.
#[derive(Clone)]
pub struct ServerTls {
    source: Arc<Source>,
    current: Arc<ArcSwap<ServerConfig>>,
}

struct Source {
    pair: Pair,
    client_ca: Option<Named>,
    protocols: Vec<Vec<u8>>,
}

impl ServerTls {
    pub(super) fn grpc(pair: Pair, client_ca: Option<PathBuf>) -> Result<Self, ConfigError> {
        let client_ca = client_ca.map(|path| Named { key: "tls.client_ca_file", path });
        Self::new(Source { pair, client_ca, protocols: vec![b"h2".to_vec()] })
    }

    pub(super) fn http(pair: Pair) -> Result<Self, ConfigError> {
        Self::new(Source { pair, client_ca: None, protocols: vec![b"h2".to_vec(), b"http/1.1".to_vec()] })
    }

    fn new(source: Source) -> Result<Self, ConfigError> {
        let (config, _) = source.read()?;
        Ok(Self { source: Arc::new(source), current: Arc::new(ArcSwap::from_pointee(config)) })
    }

    /// For the next handshake.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    pub(super) fn watched(&self, name: &'static str) -> Watched {
        let mut paths = self.source.pair.paths().to_vec();
        paths.extend(self.source.client_ca.as_ref().map(|ca| ca.path.clone()));
        let (source, current) = (Arc::clone(&self.source), Arc::clone(&self.current));
        Watched::new(name, paths, move || {
            let (config, expires) = source.read()?;
            current.store(Arc::new(config));
            Ok(Some(expires))
        })
    }
}

impl Source {
    fn read(&self) -> Result<(ServerConfig, DateTime<Utc>), ConfigError> {
        let identity = self.pair.read()?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| self.pair.mismatch(&error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let roots = Arc::new(files::authorities(ca)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                    .build()
                    .map_err(|error| ca.error(format_args!("holds an unusable authority: {error}")))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config =
            builder.with_single_cert(identity.chain, identity.key).map_err(|error| self.pair.mismatch(&error))?;
        config.alpn_protocols.clone_from(&self.protocols);
        Ok((config, identity.expires))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("pair", &self.source.pair).finish_non_exhaustive()
    }
}
