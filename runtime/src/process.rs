//! What every service gets from the process it runs in.

use std::path::PathBuf;

use crate::{
    clock::SharedClock,
    config::{AuthConfig, TlsConfig},
    ids::Ids,
    lifecycle::Lifecycle,
};

/// What every service gets from the process it runs in, alone or with others.
#[derive(Clone)]
pub struct Process {
    /// Where embedded storage, keys and tokens live.
    pub data_dir: PathBuf,
    /// Where the tokens are.
    pub auth: AuthConfig,
    /// Certificates of this process.
    pub tls: TlsConfig,
    /// Shared state of replicas; unset: in-process stand-ins.
    pub redis_url: Option<String>,
    /// What time it is.
    pub clock: SharedClock,
    /// Ids for what is made here.
    pub ids: Ids,
    /// Start, drain, stop.
    pub lifecycle: Lifecycle,
}

/// Where a started service can be reached; with port 0 in the settings this tells the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its own port.
    pub address: std::net::SocketAddr,
    /// Its metrics and health port.
    pub metrics_address: std::net::SocketAddr,
}
