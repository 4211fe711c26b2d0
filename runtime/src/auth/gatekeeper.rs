//! Everyone who may call: the entries of the tokens file, and whom the identity provider vouches for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;

use super::jwt::Jwt;
use super::tokens::{UNKNOWN, sha256};
use super::{Authenticator, Principal, TokenRejected, Tokens};
use crate::changes::Files;
use crate::clock::SharedClock;
use crate::config::{AuthConfig, ConfigError};
use crate::http::Readiness;
use crate::lifecycle::Lifecycle;

/// The authenticator of a service. Answers from memory.
#[derive(Debug)]
pub struct Gatekeeper {
    tokens: Option<Arc<ArcSwap<Tokens>>>,
    jwt: Option<Jwt>,
}

impl Gatekeeper {
    /// Reads the tokens file and begins with JWTs, as far as the settings have them, and keeps both up to date.
    ///
    /// # Errors
    /// One sentence that names the setting and the remedy: a file that cannot be used, or nobody who could call.
    pub async fn start(
        config: &AuthConfig,
        clock: &SharedClock,
        readiness: &Readiness,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            config.tokens_file.is_some() || config.jwt.is_some(),
            "nobody could call: set auth.tokens_file to the file with the callers' tokens, or auth.jwt"
        );
        if config.reload_interval.is_zero() {
            let wrong = "the setting auth.reload_interval is 0s; allowed: more than 0s, such as 5s";
            return Err(ConfigError::new(wrong).into());
        }
        let mut tokens = None;
        if let Some(path) = &config.tokens_file {
            let files = Files::new(vec![path.clone()]);
            let current = Tokens::load(path).context("auth.tokens_file")?;
            let current = Arc::new(ArcSwap::from_pointee(current));
            reload(path.clone(), files, Arc::clone(&current), config.reload_interval, lifecycle);
            tokens = Some(current);
        }
        let jwt = match &config.jwt {
            None => None,
            Some(jwt) => Some(Jwt::start(jwt, tokens.is_some(), clock.clone(), readiness, lifecycle).await?),
        };
        Ok(Self { tokens, jwt })
    }
}

impl Authenticator for Gatekeeper {
    fn authenticate(&self, token: &str) -> Result<Principal, TokenRejected> {
        let digest = sha256(token);
        let holder = self.tokens.as_ref().and_then(|tokens| tokens.load().holder(&digest));
        match (holder, &self.jwt) {
            (Some(principal), _) => Ok(principal),
            (None, Some(jwt)) => jwt.authenticate(token, digest),
            (None, None) => Err(UNKNOWN),
        }
    }
}

/// Takes a new tokens file; one that cannot be used changes nothing.
fn reload(path: PathBuf, mut files: Files, tokens: Arc<ArcSwap<Tokens>>, every: Duration, lifecycle: &Lifecycle) {
    let draining = lifecycle.draining();
    // There from the start, for whoever is to be told of its first step.
    metrics::gauge!("switchboard_tokens_reload_failed").set(0.0);
    lifecycle.spawn("tokens file", async move {
        loop {
            tokio::select! {
                () = draining.cancelled() => return Ok(()),
                () = tokio::time::sleep(every) => {}
            }
            let (path, tokens) = (path.clone(), Arc::clone(&tokens));
            files = tokio::task::spawn_blocking(move || {
                if files.have_changed() {
                    let failed = metrics::gauge!("switchboard_tokens_reload_failed");
                    match Tokens::load(&path) {
                        Ok(new) => {
                            tokens.store(Arc::new(new));
                            failed.set(0.0);
                            tracing::info!("a new tokens file is in use");
                        }
                        Err(error) => {
                            files.look_again();
                            failed.set(1.0);
                            tracing::error!(%error, "the new tokens file cannot be used, the old one stays");
                        }
                    }
                }
                files
            })
            .await?;
        }
    });
}
