//! The issuer's public keys (JWKS, RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::signature::ALGORITHMS;

/// Keys of one issuer at most; more are left out.
const MOST: usize = 64;

/// A key set that cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum KeysError {
    #[error("it is not JSON with a list \"keys\"")]
    Shape,
    #[error("it has no key for RS256, ES256 or EdDSA")]
    Empty,
}

/// Keys that tokens may be signed with, each for one algorithm only.
#[derive(Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
    /// Tells one set from another.
    pub(super) fingerprint: [u8; 32],
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads a set. Keys of kinds that are not taken here, and keys that cannot be read, are left out.
    pub(super) fn parse(document: &[u8]) -> Result<Self, KeysError> {
        let Document { keys } = serde_json::from_slice(document).map_err(|_| KeysError::Shape)?;
        let keys: Vec<Key> = keys.into_iter().filter_map(Key::read).take(MOST).collect();
        if keys.is_empty() {
            return Err(KeysError::Empty);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, document).as_ref());
        Ok(Self { keys, fingerprint })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys that may have signed a token with this header: the one it names, else all of its algorithm.
    pub(super) fn candidates(&self, header: &Header) -> impl Iterator<Item = &DecodingKey> {
        let (id, algorithm) = (header.kid.clone(), header.alg);
        let fitting = move |key: &&Key| key.algorithm == algorithm && (id.is_none() || key.id == id);
        self.keys.iter().filter(fitting).map(|key| &key.key)
    }

    /// Whether the header names a key that is not among them.
    pub(super) fn lacks(&self, header: &Header) -> bool {
        header.kid.is_some() && !self.keys.iter().any(|key| key.id == header.kid)
    }
}

impl Key {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
            _ => return None,
        };
        let for_signatures = matches!(&jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let named: Option<Algorithm> = match jwk.common.key_algorithm {
            None => Some(algorithm),
            Some(KeyAlgorithm::RS256) => Some(Algorithm::RS256),
            Some(KeyAlgorithm::ES256) => Some(Algorithm::ES256),
            Some(KeyAlgorithm::EdDSA) => Some(Algorithm::EdDSA),
            Some(_) => None,
        };
        if !for_signatures || named != Some(algorithm) || !ALGORITHMS.contains(&algorithm) {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: jwk.common.key_id, algorithm, key })
    }
}
