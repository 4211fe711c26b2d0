//! Tokens that an identity provider signs (JWT, RFC 7519).
//!
//! A token is verified once: under a key of the issuer's set, which fixes the algorithm, and against the claims that the
//! settings want. After that its SHA-256 is enough until it expires or the keys change. Keys are fetched in the
//! background; a call never waits for the issuer. One that shows a token of an unknown key is refused and has the keys
//! fetched anew, so that its next try succeeds.

mod claims;
mod keys;
mod seen;
mod signature;
mod source;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use tokio::sync::Notify;

use super::{Principal, TokenRejected};
use crate::clock::SharedClock;
use crate::config::{ConfigError, JwtConfig};
use crate::http::Readiness;
use crate::lifecycle::Lifecycle;
use claims::{Claims, Rules, expired};
use keys::Keys;
use seen::{Known, Seen};
use source::{Refresher, Source};

/// Longest token that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;

/// Verifies JWTs. Answers from memory.
pub(super) struct Jwt {
    rules: Rules,
    keys: Arc<ArcSwap<Keys>>,
    wanted: Arc<Notify>,
    seen: Seen,
    clock: SharedClock,
}

impl Jwt {
    /// Reads the keys from a file, or begins to fetch them. `others_may_call`: there is a tokens file as well.
    pub(super) async fn start(
        config: &JwtConfig,
        others_may_call: bool,
        clock: SharedClock,
        readiness: &Readiness,
        lifecycle: &Lifecycle,
    ) -> Result<Self, ConfigError> {
        signature::install();
        for (key, value) in [("issuer", &config.issuer), ("audience", &config.audience)] {
            if value.is_empty() {
                return Err(ConfigError::new(format!(
                    "the setting auth.jwt.{key} is missing; without it tokens that are meant for others would be taken"
                )));
            }
        }
        let source = Source::new(config)?;
        let keys = match &source {
            // A file is there or it is not; a URL may come later.
            Source::File(_) => source.read().await.map_err(ConfigError::new)?,
            Source::Url { .. } => Keys::default(),
        };
        let (keys, wanted) = (Arc::new(ArcSwap::from_pointee(keys)), Arc::new(Notify::new()));
        let every = match &source {
            // Reading a file costs nobody anything.
            Source::File(_) => config.refetch_interval.min(config.refresh_interval),
            Source::Url { .. } => config.refresh_interval,
        };
        let refresher = Refresher {
            source,
            keys: Arc::clone(&keys),
            wanted: Arc::clone(&wanted),
            every,
            at_most_every: config.refetch_interval,
            check: readiness.register("JWT keys"),
            others_may_call,
        };
        refresher.start(lifecycle);
        Ok(Self { rules: config.into(), keys, wanted, seen: Seen::default(), clock })
    }

    /// Whose token it is; `digest` is its SHA-256.
    pub(super) fn authenticate(&self, token: &str, digest: [u8; 32]) -> Result<Principal, TokenRejected> {
        let (keys, now) = (self.keys.load(), self.clock.now());
        match self.seen.look(&digest, &keys.fingerprint, now) {
            Known::Good(principal) => return Ok(principal),
            Known::Expired => return Err(expired()),
            Known::No => {}
        }
        let claims = self.verify(token, &keys)?;
        let (principal, until) = self.rules.judge(&claims, now)?;
        self.seen.keep(digest, keys.fingerprint, principal.clone(), until, now);
        Ok(principal)
    }

    fn verify(&self, token: &str, keys: &Keys) -> Result<Claims, TokenRejected> {
        if token.len() > LONGEST {
            return Err(TokenRejected("the token is longer than 8 KiB".into()));
        }
        let header = decode_header(token).map_err(|_| TokenRejected("the bearer token is not known".into()))?;
        if header.crit.is_some() {
            return Err(TokenRejected("the token has an extension that is not understood here (crit)".into()));
        }
        if !signature::ALGORITHMS.contains(&header.alg) {
            return Err(TokenRejected("the token's algorithm is not RS256, ES256 or EdDSA".into()));
        }
        if keys.is_empty() || keys.lacks(&header) {
            self.wanted.notify_one();
            return Err(TokenRejected(
                "the key that signed the token is not known; the issuer's keys are being fetched, try again".into(),
            ));
        }
        let signed = keys.candidates(&header).find_map(|key| claims_of(token, key, &header));
        let Some(claims) = signed else {
            return Err(TokenRejected("the token's signature is not good".into()));
        };
        claims.map_err(|()| TokenRejected("the token lacks iss, sub, aud or exp, or has one of the wrong kind".into()))
    }
}

/// `None`: not signed with this key.
fn claims_of(token: &str, key: &jsonwebtoken::DecodingKey, header: &Header) -> Option<Result<Claims, ()>> {
    use jsonwebtoken::errors::ErrorKind;

    // The claims are judged by our own clock and rules; here it is all about the signature.
    let mut signature = Validation::new(header.alg);
    signature.required_spec_claims.clear();
    signature.validate_exp = false;
    signature.validate_nbf = false;
    signature.validate_aud = false;
    match decode::<Claims>(token, key, &signature) {
        Ok(decoded) => Some(Ok(decoded.claims)),
        Err(error) => match error.kind() {
            ErrorKind::Json(_) => Some(Err(())),
            _ => None,
        },
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jwt")
    }
}
