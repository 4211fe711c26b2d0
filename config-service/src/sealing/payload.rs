//! What is sealed of a provider config: every credential, secret or not, and the webhook secrets that were replaced.
//!
//! All fields are sealed, so a field that somebody forgets to call secret is still not stored in clear. The encoding is
//! our own and writes into one buffer of the right size: a serialiser that grows its buffer leaves plaintext behind.

use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use switchboard_providers::Credentials;
use zeroize::Zeroizing;

const FORMAT: u8 = 1;

/// A webhook secret that was replaced and still verifies callbacks.
#[derive(Clone)]
pub struct ReplacedSecret {
    /// The account whose callbacks it signs, which may have been replaced with it.
    pub account: String,
    /// The secret.
    pub secret: SecretString,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// What is sealed of a provider config. Prints keys only.
#[derive(Clone, Debug, Default)]
pub struct ConfigSecrets {
    /// Every credential.
    pub credentials: Credentials,
    /// Replaced webhook secrets, the newest first.
    pub replaced: Vec<ReplacedSecret>,
}

impl ConfigSecrets {
    /// The replaced webhook secrets that are still valid at `now`, the newest first.
    pub fn replaced_at(&self, now: DateTime<Utc>) -> impl Iterator<Item = &ReplacedSecret> {
        self.replaced.iter().filter(move |replaced| replaced.expires_at > now)
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let pairs: Vec<(&str, &str)> = self.credentials.expose().collect();
        let size = 1
            + 8
            + pairs.iter().map(|(key, value)| 8 + key.len() + value.len()).sum::<usize>()
            + self.replaced.iter().map(|old| 16 + old.account.len() + old.secret.expose_secret().len()).sum::<usize>();
        let mut buffer = Zeroizing::new(Vec::with_capacity(size));
        buffer.push(FORMAT);
        put_length(&mut buffer, pairs.len());
        for (key, value) in pairs {
            put(&mut buffer, key);
            put(&mut buffer, value);
        }
        put_length(&mut buffer, self.replaced.len());
        for old in &self.replaced {
            put(&mut buffer, &old.account);
            put(&mut buffer, old.secret.expose_secret());
            buffer.extend(old.expires_at.timestamp_micros().to_be_bytes());
        }
        debug_assert_eq!(buffer.len(), size);
        buffer
    }

    /// `None`: not what [`encode`](Self::encode) writes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (format, mut rest) = bytes.split_first()?;
        if *format != FORMAT {
            return None;
        }
        let mut secrets = Self::default();
        for _ in 0..take_length(&mut rest)? {
            let key = take(&mut rest)?;
            secrets.credentials.set(key, take(&mut rest)?);
        }
        for _ in 0..take_length(&mut rest)? {
            let account = take(&mut rest)?.to_owned();
            let secret = SecretString::from(take(&mut rest)?);
            let expires_at = i64::from_be_bytes(take_bytes(&mut rest, 8)?.try_into().ok()?);
            let expires_at = DateTime::from_timestamp_micros(expires_at)?;
            secrets.replaced.push(ReplacedSecret { account, secret, expires_at });
        }
        rest.is_empty().then_some(secrets)
    }
}

fn put_length(buffer: &mut Vec<u8>, length: usize) {
    buffer.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

fn put(buffer: &mut Vec<u8>, text: &str) {
    put_length(buffer, text.len());
    buffer.extend(text.as_bytes());
}

fn take_bytes<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let bytes = take_bytes(rest, 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(bytes)).ok()
}

fn take<'b>(rest: &mut &'b [u8]) -> Option<&'b str> {
    let length = take_length(rest)?;
    std::str::from_utf8(take_bytes(rest, length)?).ok()
}

impl fmt::Debug for ReplacedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplacedSecret")
            .field("account", &self.account)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> ConfigSecrets {
        ConfigSecrets {
            credentials: [("access_key", "AK"), ("secret_key", "비밀")].into_iter().collect(),
            replaced: vec![ReplacedSecret {
                account: "svc-1".to_owned(),
                secret: SecretString::from("old"),
                expires_at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            }],
        }
    }

    #[test]
    fn what_is_encoded_decodes() {
        let decoded = ConfigSecrets::decode(&secrets().encode()).unwrap();
        assert_eq!(decoded.credentials.get("secret_key"), Some("비밀"));
        assert_eq!(decoded.replaced[0].secret.expose_secret(), "old");
        assert_eq!(decoded.replaced[0].expires_at, secrets().replaced[0].expires_at);
        assert!(ConfigSecrets::decode(&ConfigSecrets::default().encode()).unwrap().replaced.is_empty());
    }

    #[test]
    fn nothing_cut_short_or_lengthened_decodes() {
        let encoded = secrets().encode();
        for length in 0..encoded.len() {
            assert!(ConfigSecrets::decode(&encoded[..length]).is_none(), "{length}");
        }
        let longer = [encoded.as_slice(), b"\0"].concat();
        assert!(ConfigSecrets::decode(&longer).is_none());
    }

    #[test]
    fn debug_output_holds_no_value() {
        let printed = format!("{:?}", secrets());
        assert!(!printed.contains("비밀") && !printed.contains("old\""), "{printed}");
    }

    #[test]
    fn a_replaced_secret_ends_at_its_time() {
        let secrets = secrets();
        let end = secrets.replaced[0].expires_at;
        assert_eq!(secrets.replaced_at(end).count(), 0);
        assert_eq!(secrets.replaced_at(end - chrono::TimeDelta::microseconds(1)).count(), 1);
    }
}
