//! The versioned key-encryption keys, and what is derived from the ring's root secret.
//!
//! Only the current key seals. Older keys open what has not been re-wrapped yet; a retired key has lost its material and
//! is refused by name, so that nobody mistakes "retired" for "never existed".

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use ring::{
    hkdf,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

use super::SealError;

/// Bytes of every key in the ring (AES-256) and of what is derived from its root.
pub const KEY_BYTES: usize = 32;

/// A key in memory; wiped when dropped.
pub(super) type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// What a derived secret is for. Each purpose has its own, so that one can never stand in for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Proves a passed connection test.
    ConnectionTestToken,
    /// Signs the head of the audit trail.
    AuditHead,
    /// Tells whether a store belongs to this ring; may be stored in clear.
    Fingerprint,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::ConnectionTestToken => b"switchboard connection test token v1",
            Self::AuditHead => b"switchboard audit head v1",
            Self::Fingerprint => b"switchboard key ring fingerprint v1",
        }
    }
}

/// One version of the key-encryption key.
#[derive(Clone)]
pub(super) enum Key {
    /// Opens, and seals if it is the current one.
    Usable { bytes: KeyBytes, created_at: DateTime<Utc> },
    /// Its material is gone.
    Retired { retired_at: DateTime<Utc> },
}

/// The key ring in memory. Prints versions only.
#[derive(Clone)]
pub struct KeyRing {
    pub(super) root: KeyBytes,
    pub(super) current: u32,
    pub(super) keys: BTreeMap<u32, Key>,
}

impl KeyRing {
    /// A fresh ring with one key, version 1.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn fresh(now: DateTime<Utc>) -> Result<Self, SealError> {
        let first = Key::Usable { bytes: random()?, created_at: now };
        Ok(Self { root: random()?, current: 1, keys: BTreeMap::from([(1, first)]) })
    }

    /// Version of the key that seals.
    pub fn current(&self) -> u32 {
        self.current
    }

    /// Versions that still open, older than the current one: more than none while a rotation is not finished.
    pub fn superseded(&self) -> impl Iterator<Item = u32> {
        self.keys
            .iter()
            .filter(|(version, key)| **version != self.current && matches!(key, Key::Usable { .. }))
            .map(|(version, _)| *version)
    }

    /// Whether a version can still open.
    ///
    /// # Errors
    ///
    /// [`SealError::UnknownKey`] or [`SealError::RetiredKey`].
    pub fn usable(&self, version: u32) -> Result<(), SealError> {
        self.key(version).map(|_| ())
    }

    /// Adds a key and makes it the current one.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub(super) fn add(&mut self, now: DateTime<Utc>) -> Result<u32, SealError> {
        let version = self.keys.keys().next_back().copied().unwrap_or_default() + 1;
        self.keys.insert(version, Key::Usable { bytes: random()?, created_at: now });
        self.current = version;
        Ok(version)
    }

    /// Drops the material of every key but the current one.
    pub(super) fn retire_superseded(&mut self, now: DateTime<Utc>) {
        let current = self.current;
        for (version, key) in &mut self.keys {
            if *version != current && matches!(key, Key::Usable { .. }) {
                *key = Key::Retired { retired_at: now };
            }
        }
    }

    /// The material of a version.
    ///
    /// # Errors
    ///
    /// [`SealError::UnknownKey`] or [`SealError::RetiredKey`].
    pub(super) fn key(&self, version: u32) -> Result<&KeyBytes, SealError> {
        match self.keys.get(&version) {
            Some(Key::Usable { bytes, .. }) => Ok(bytes),
            Some(Key::Retired { retired_at }) => Err(SealError::RetiredKey { version, retired_at: *retired_at }),
            None => Err(SealError::UnknownKey { version }),
        }
    }

    /// A secret for one purpose, the same for the whole life of the ring (rotation included).
    pub fn derive(&self, purpose: Purpose) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"switchboard key ring").extract(&*self.root);
        let filled = prk.expand(&[purpose.label()], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(derived.as_mut_slice()));
        // 32 bytes are what HKDF-SHA256 gives in one block: it cannot refuse them.
        debug_assert!(filled.is_ok());
        derived
    }

    /// Tells this ring from every other; not secret.
    pub fn fingerprint(&self) -> String {
        hex::encode(&self.derive(Purpose::Fingerprint)[..12])
    }
}

fn random() -> Result<KeyBytes, SealError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| SealError::NoRandomness)?;
    Ok(bytes)
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("current", &self.current)
            .field("versions", &self.keys.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_its_own_secret_and_rotation_keeps_it() {
        let mut ring = KeyRing::fresh(DateTime::UNIX_EPOCH).unwrap();
        let token = ring.derive(Purpose::ConnectionTestToken);
        assert_ne!(*token, *ring.derive(Purpose::AuditHead));
        let fingerprint = ring.fingerprint();
        ring.add(DateTime::UNIX_EPOCH).unwrap();
        ring.retire_superseded(DateTime::UNIX_EPOCH);
        assert_eq!(*token, *ring.derive(Purpose::ConnectionTestToken));
        assert_eq!(fingerprint, ring.fingerprint());
    }

    #[test]
    fn a_retired_key_is_refused_by_name() {
        let mut ring = KeyRing::fresh(DateTime::UNIX_EPOCH).unwrap();
        ring.add(DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(ring.superseded().collect::<Vec<_>>(), [1]);
        ring.retire_superseded(DateTime::UNIX_EPOCH);
        assert!(matches!(ring.key(1), Err(SealError::RetiredKey { version: 1, .. })));
        assert!(matches!(ring.key(7), Err(SealError::UnknownKey { version: 7 })));
        assert!(ring.key(2).is_ok());
    }

    #[test]
    fn debug_output_holds_no_key() {
        let ring = KeyRing::fresh(DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(format!("{ring:?}"), "KeyRing { current: 1, versions: [1], .. }");
    }
}
