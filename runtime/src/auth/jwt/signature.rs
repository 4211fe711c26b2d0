//! The signatures of JWTs, verified by ring. Nothing is signed here, and there is no algorithm with a shared secret.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring verify what `jsonwebtoken` decodes, in all of the process.
pub(super) fn install() {
    // An error means only that it is in place already.
    let _ = RING.install_default();
}

/// The algorithms there are, each with one kind of key.
pub(super) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

struct Rsa {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

struct Curve {
    algorithm: Algorithm,
    ring: &'static dyn VerificationAlgorithm,
    point: Vec<u8>,
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            Ok(Box::new(Rsa { modulus: n.clone(), exponent: e.clone() }))
        }
        (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => {
            Ok(Box::new(Curve { algorithm: *algorithm, ring: &ECDSA_P256_SHA256_FIXED, point: point.clone() }))
        }
        (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) => {
            Ok(Box::new(Curve { algorithm: *algorithm, ring: &ED25519, point: point.clone() }))
        }
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    }
}

impl Verifier<Vec<u8>> for Rsa {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Rsa {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

impl Verifier<Vec<u8>> for Curve {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        UnparsedPublicKey::new(self.ring, &self.point).verify(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Curve {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
