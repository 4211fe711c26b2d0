//! One sealed record: data under its own key, that key under the ring's.

use std::fmt;

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

use super::{KEY_BYTES, KeyRing, SealError, key_ring::KeyBytes};

/// The row that a record belongs to. A record opens in no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The organisation.
    pub organization_id: &'a str,
    /// The vendor's code.
    pub provider: &'a str,
    /// The version of the row.
    pub version: i64,
}

/// What is stored instead of credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// Nonce, ciphertext and tag of the data.
    pub data: Vec<u8>,
    /// Nonce, ciphertext and tag of the data key.
    pub wrapped_key: Vec<u8>,
    /// Which key of the ring wrapped the data key.
    pub key_version: u32,
}

impl Binding<'_> {
    /// The bound bytes: each part with its length, so that no two rows ever have the same.
    fn aad(&self, part: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.organization_id.len() + self.provider.len());
        for piece in [b"switchboard sealed v1", part, self.organization_id.as_bytes(), self.provider.as_bytes()] {
            bytes.extend((piece.len() as u64).to_be_bytes());
            bytes.extend(piece);
        }
        bytes.extend(self.version.to_be_bytes());
        bytes
    }

    fn wrap_aad(&self, key_version: u32) -> Vec<u8> {
        let mut bytes = self.aad(b"key");
        bytes.extend(key_version.to_be_bytes());
        bytes
    }

    pub(super) fn broken(&self) -> SealError {
        SealError::Broken { organization_id: self.organization_id.to_owned(), provider: self.provider.to_owned() }
    }
}

impl SealedRecord {
    /// Seals under a new data key, wrapped by the ring's current key.
    pub(super) fn seal(ring: &KeyRing, binding: &Binding<'_>, plain: &[u8]) -> Result<Self, SealError> {
        let mut data_key: KeyBytes = Zeroizing::new([0; KEY_BYTES]);
        SystemRandom::new().fill(data_key.as_mut_slice()).map_err(|_| SealError::NoRandomness)?;
        let data = encrypt(&data_key, &binding.aad(b"data"), plain).ok_or_else(|| binding.broken())?;
        let (wrapped_key, key_version) = wrap(ring, binding, &data_key)?;
        Ok(Self { data, wrapped_key, key_version })
    }

    /// The data, wiped when dropped.
    pub(super) fn open(&self, ring: &KeyRing, binding: &Binding<'_>) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let data_key = self.unwrap_key(ring, binding)?;
        decrypt(&data_key, &binding.aad(b"data"), &self.data).ok_or_else(|| binding.broken())
    }

    /// The same record with its data key wrapped by the ring's current key.
    pub(super) fn rewrap(&self, ring: &KeyRing, binding: &Binding<'_>) -> Result<Self, SealError> {
        let data_key = self.unwrap_key(ring, binding)?;
        let (wrapped_key, key_version) = wrap(ring, binding, &data_key)?;
        Ok(Self { data: self.data.clone(), wrapped_key, key_version })
    }

    fn unwrap_key(&self, ring: &KeyRing, binding: &Binding<'_>) -> Result<KeyBytes, SealError> {
        let key = ring.key(self.key_version)?;
        let opened = decrypt(key, &binding.wrap_aad(self.key_version), &self.wrapped_key);
        let opened = opened.filter(|bytes| bytes.len() == KEY_BYTES).ok_or_else(|| binding.broken())?;
        let mut data_key = Zeroizing::new([0; KEY_BYTES]);
        data_key.copy_from_slice(&opened);
        Ok(data_key)
    }
}

fn wrap(ring: &KeyRing, binding: &Binding<'_>, data_key: &KeyBytes) -> Result<(Vec<u8>, u32), SealError> {
    let version = ring.current();
    let wrapped = encrypt(ring.key(version)?, &binding.wrap_aad(version), data_key.as_slice());
    Ok((wrapped.ok_or_else(|| binding.broken())?, version))
}

/// Nonce ‖ ciphertext ‖ tag.
fn encrypt(key: &KeyBytes, aad: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).ok()?);
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).ok()?;
    // Room for all of it at once: a vector that grows would leave plaintext behind. Encrypted in place, so what is
    // left in the buffer is ciphertext.
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
    sealed.extend(nonce);
    sealed.extend(plain);
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), sealed.get_mut(NONCE_LEN..)?)
        .ok()?;
    sealed.extend(tag.as_ref());
    Some(sealed)
}

fn decrypt(key: &KeyBytes, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_slice()).ok()?);
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let length = key.open_in_place(nonce, Aad::from(aad), buffer.as_mut_slice()).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}

impl fmt::Debug for SealedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedRecord").field("key_version", &self.key_version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const ROW: Binding<'_> = Binding { organization_id: "acme", provider: "cloudmsg", version: 3 };

    fn ring() -> KeyRing {
        KeyRing::fresh(DateTime::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_own_row() {
        let ring = ring();
        let record = SealedRecord::seal(&ring, &ROW, b"secret").unwrap();
        assert!(!record.data.windows(6).any(|window| window == b"secret"));
        assert_eq!(record.open(&ring, &ROW).unwrap().as_slice(), b"secret");
    }

    #[test]
    fn a_record_moved_to_another_row_or_version_does_not_open() {
        let ring = ring();
        let record = SealedRecord::seal(&ring, &ROW, b"secret").unwrap();
        for other in [
            Binding { organization_id: "acm", ..ROW },
            Binding { provider: "sendtalk", ..ROW },
            Binding { version: 2, ..ROW },
            Binding { organization_id: "acmec", provider: "loudmsg", ..ROW },
        ] {
            assert!(matches!(record.open(&ring, &other), Err(SealError::Broken { .. })), "{other:?}");
        }
    }

    #[test]
    fn no_part_of_a_record_may_be_altered() {
        let ring = ring();
        let record = SealedRecord::seal(&ring, &ROW, b"secret").unwrap();
        for index in 0..record.data.len() {
            let mut altered = record.clone();
            altered.data[index] ^= 1;
            assert!(altered.open(&ring, &ROW).is_err());
        }
        for index in 0..record.wrapped_key.len() {
            let mut altered = record.clone();
            altered.wrapped_key[index] ^= 1;
            assert!(altered.open(&ring, &ROW).is_err());
        }
        let truncated = SealedRecord { data: record.data[..5].to_vec(), ..record };
        assert!(truncated.open(&ring, &ROW).is_err());
    }

    #[test]
    fn a_rewrapped_record_opens_without_the_old_key() {
        let mut ring = ring();
        let record = SealedRecord::seal(&ring, &ROW, b"secret").unwrap();
        ring.add(DateTime::UNIX_EPOCH).unwrap();
        let rewrapped = record.rewrap(&ring, &ROW).unwrap();
        ring.retire_superseded(DateTime::UNIX_EPOCH);
        assert_eq!(rewrapped.key_version, 2);
        assert_eq!(rewrapped.data, record.data);
        assert_eq!(rewrapped.open(&ring, &ROW).unwrap().as_slice(), b"secret");
        assert!(matches!(record.open(&ring, &ROW), Err(SealError::RetiredKey { version: 1, .. })));
    }
}
