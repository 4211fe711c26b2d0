//! The signed head: kept elsewhere, it shows when the trail was cut short or rewritten.

use chrono::{DateTime, Utc};
use ring::hmac;

use super::{Hash, Head};
use crate::sealing::{KeyRing, Purpose};

/// A head with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// The head.
    pub head: Head,
    /// HMAC-SHA256 over count, hash and time, by a secret of the key ring that no store holds.
    pub signature: Vec<u8>,
    /// When it was signed.
    pub signed_at: DateTime<Utc>,
}

impl SignedHead {
    /// Signs a head.
    pub fn sign(head: Head, ring: &KeyRing, signed_at: DateTime<Utc>) -> Self {
        let signature = hmac::sign(&key(ring), &message(&head, signed_at)).as_ref().to_vec();
        Self { head, signature, signed_at }
    }

    /// Whether this key ring signed exactly this, in constant time.
    pub fn is_genuine(&self, ring: &KeyRing) -> bool {
        hmac::verify(&key(ring), &message(&self.head, self.signed_at), &self.signature).is_ok()
    }
}

fn key(ring: &KeyRing) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, ring.derive(Purpose::AuditHead).as_slice())
}

fn message(head: &Head, signed_at: DateTime<Utc>) -> Vec<u8> {
    let hash: &Hash = &head.hash;
    [&head.count.to_be_bytes()[..], hash, &signed_at.timestamp_micros().to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_genuine_only_as_it_was_signed() {
        let ring = KeyRing::fresh(DateTime::UNIX_EPOCH).unwrap();
        let signed = SignedHead::sign(Head { count: 3, hash: [7; 32] }, &ring, DateTime::UNIX_EPOCH);
        assert!(signed.is_genuine(&ring));
        let shorter = SignedHead { head: Head { count: 2, ..signed.head }, ..signed.clone() };
        assert!(!shorter.is_genuine(&ring));
        let other = SignedHead { head: Head { hash: [8; 32], ..signed.head }, ..signed.clone() };
        assert!(!other.is_genuine(&ring));
        let stranger = KeyRing::fresh(DateTime::UNIX_EPOCH).unwrap();
        assert!(!signed.is_genuine(&stranger));
    }
}
