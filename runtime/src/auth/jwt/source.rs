//! Where the issuer's keys come from, and the task that keeps them fresh.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::{Client, StatusCode, Url, redirect};
use tokio::sync::Notify;

use super::keys::Keys;
use crate::config::{ConfigError, JwtConfig};
use crate::http::Check;
use crate::lifecycle::Lifecycle;
use crate::tls::install_crypto;

/// Largest key set that is read, in bytes.
const LARGEST: usize = 1 << 20;
/// How long fetching may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file or a URL.
pub(super) enum Source {
    File(PathBuf),
    Url { client: Client, url: Url },
}

impl Source {
    pub(super) fn new(config: &JwtConfig) -> Result<Self, ConfigError> {
        match (&config.jwks_file, &config.jwks_url) {
            (Some(path), None) => Ok(Self::File(path.clone())),
            (None, Some(url)) => Self::at(url, config.ca_file.as_deref()),
            _ => Err(ConfigError::new(
                "auth.jwt needs the issuer's keys: set either auth.jwt.jwks_url or auth.jwt.jwks_file",
            )),
        }
    }

    fn at(url: &str, ca_file: Option<&Path>) -> Result<Self, ConfigError> {
        let wrong = |why: &str| ConfigError::new(format!("the setting auth.jwt.jwks_url is {url:?}, {why}"));
        let parsed = Url::parse(url).map_err(|error| wrong(&format!("which is no URL: {error}")))?;
        let local = parsed.host_str().is_some_and(|host| {
            host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        });
        if parsed.scheme() != "https" && !(parsed.scheme() == "http" && local) {
            return Err(wrong("and whoever is on the way could sign tokens; use an https:// address"));
        }
        install_crypto();
        let mut client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE);
        if parsed.scheme() == "http" {
            client = client.tls_certs_only([]);
        } else if let Some(path) = ca_file {
            let unusable =
                |why: String| ConfigError::new(format!("the file {} (setting auth.jwt.ca_file) {why}", path.display()));
            let pem = std::fs::read(path).map_err(|error| unusable(format!("cannot be read: {error}")))?;
            let authorities = reqwest::Certificate::from_pem_bundle(&pem)
                .ok()
                .filter(|authorities| !authorities.is_empty())
                .ok_or_else(|| unusable("holds no certificate in PEM".to_owned()))?;
            client = client.tls_certs_only(authorities);
        }
        let client = client.build().map_err(|error| wrong(&format!("and cannot be called: {error}")))?;
        Ok(Self::Url { client, url: parsed })
    }

    /// The keys as they are now, or why there are none, for the log.
    pub(super) async fn read(&self) -> Result<Keys, String> {
        let document = match self {
            Self::File(path) => tokio::fs::read(path)
                .await
                .map_err(|error| format!("the file {} (setting auth.jwt.jwks_file): {error}", path.display()))?,
            Self::Url { client, url } => fetch(client, url.clone()).await?,
        };
        Keys::parse(&document).map_err(|error| format!("the key set of auth.jwt cannot be used: {error}"))
    }
}

async fn fetch(client: &Client, url: Url) -> Result<Vec<u8>, String> {
    let mut response = client.get(url).send().await.map_err(|error| describe(&error))?;
    if response.status() != StatusCode::OK {
        return Err(format!("the issuer answered {}", response.status()));
    }
    let mut document = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        if document.len() + chunk.len() > LARGEST {
            return Err("the key set is larger than 1 MiB".to_owned());
        }
        document.extend_from_slice(&chunk);
    }
    Ok(document)
}

/// With its causes: the first sentence alone never says what happened.
fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Fetches the keys again and again; the last good ones stay while it fails.
pub(super) struct Refresher {
    pub(super) source: Source,
    pub(super) keys: Arc<ArcSwap<Keys>>,
    /// Somebody has come with a token whose key is not known.
    pub(super) wanted: Arc<Notify>,
    pub(super) every: Duration,
    pub(super) at_most_every: Duration,
    pub(super) check: Check,
    /// Whether anyone can call without these keys.
    pub(super) others_may_call: bool,
}

impl Refresher {
    pub(super) fn start(self, lifecycle: &Lifecycle) {
        let draining = lifecycle.draining();
        lifecycle.spawn("JWT keys", async move {
            tokio::select! {
                () = draining.cancelled() => {}
                () = self.run() => {}
            }
            Ok(())
        });
    }

    async fn run(&self) {
        loop {
            let worked = self.refresh().await;
            let wanted = async {
                tokio::time::sleep(self.at_most_every).await;
                self.wanted.notified().await;
            };
            let every = if worked { self.every } else { self.at_most_every.min(self.every) };
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = wanted => {}
            }
        }
    }

    async fn refresh(&self) -> bool {
        let outcome = match self.source.read().await {
            Ok(keys) => {
                if keys.fingerprint != self.keys.load().fingerprint {
                    tracing::info!(keys = keys.len(), "the issuer's keys have changed");
                    self.keys.store(Arc::new(keys));
                }
                self.check.ready();
                "ok"
            }
            Err(why) => {
                let none = self.keys.load().is_empty();
                tracing::warn!(error = why, "the issuer's keys could not be fetched");
                match (none, self.others_may_call) {
                    (true, false) => self.check.not_ready(format!("no token can be checked: {why}")),
                    (true, true) => self.check.degraded(format!("no JWT can be checked: {why}")),
                    (false, _) => self.check.degraded(format!("using earlier keys: {why}")),
                }
                "failed"
            }
        };
        metrics::counter!("switchboard_jwks_fetches_total", "outcome" => outcome).increment(1);
        outcome == "ok"
    }
}
