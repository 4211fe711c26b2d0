//! Proof of a passed test: bound to organisation, vendor and exactly the credentials that were tested.
//!
//! Nothing is stored: the token is an expiry and an HMAC over all of that, by a secret of the key ring.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use ring::hmac;
use switchboard_providers::Credentials;

use crate::sealing::{KeyRing, Purpose};

/// How long a passed test is worth something.
pub(super) const VALIDITY: TimeDelta = TimeDelta::minutes(10);

const PREFIX: &str = "ct1_";
const EXPIRY_BYTES: usize = 8;

/// A token that proves a test which passed at `now`.
pub(super) fn issue(
    ring: &KeyRing,
    organization_id: &str,
    provider: &str,
    credentials: &Credentials,
    now: DateTime<Utc>,
) -> String {
    let expiry = (now + VALIDITY).timestamp_micros();
    let tag = hmac::sign(&key(ring), &subject(organization_id, provider, credentials, expiry));
    let bytes = [&expiry.to_be_bytes()[..], tag.as_ref()].concat();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Checks a token, its tag in constant time.
///
/// # Errors
///
/// Why it proves nothing about these credentials now.
pub(super) fn check(
    token: &str,
    ring: &KeyRing,
    organization_id: &str,
    provider: &str,
    credentials: &Credentials,
    now: DateTime<Utc>,
) -> Result<(), &'static str> {
    let unknown = "is none of ours: use the one of TestConnection as it came, or leave it out";
    let bytes = token.strip_prefix(PREFIX).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or(unknown)?;
    let (expiry, tag) = bytes.split_first_chunk::<EXPIRY_BYTES>().ok_or(unknown)?;
    let expiry = i64::from_be_bytes(*expiry);
    hmac::verify(&key(ring), &subject(organization_id, provider, credentials, expiry), tag)
        .map_err(|_| "was made for other credentials: test these, or leave it out")?;
    if expiry <= now.timestamp_micros() {
        return Err("has expired: test again, or leave it out");
    }
    Ok(())
}

fn key(ring: &KeyRing) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, ring.derive(Purpose::ConnectionTestToken).as_slice())
}

/// Every part with its length, so that no two subjects ever have the same bytes.
fn subject(
    organization_id: &str,
    provider: &str,
    credentials: &Credentials,
    expiry: i64,
) -> zeroize::Zeroizing<Vec<u8>> {
    let set = || credentials.expose().filter(|(_, value)| !value.is_empty());
    let parts = || [organization_id, provider].into_iter().chain(set().flat_map(|(key, value)| [key, value]));
    // Room for all of it at once: a vector that grows leaves secrets behind.
    let size = EXPIRY_BYTES + parts().map(|part| 8 + part.len()).sum::<usize>();
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(size));
    bytes.extend(expiry.to_be_bytes());
    for part in parts() {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(secret: &str) -> Credentials {
        [("access_key", "AK-1"), ("secret_key", secret)].into_iter().collect()
    }

    #[test]
    fn a_token_proves_exactly_what_was_tested_for_ten_minutes() {
        let ring = KeyRing::fresh(DateTime::UNIX_EPOCH).unwrap();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let token = issue(&ring, "acme", "cloudmsg", &credentials("a"), now);
        let check_at = |org, provider, secret: &str, at| check(&token, &ring, org, provider, &credentials(secret), at);
        assert_eq!(check_at("acme", "cloudmsg", "a", now), Ok(()));
        assert_eq!(check_at("acme", "cloudmsg", "a", now + VALIDITY - TimeDelta::microseconds(1)), Ok(()));
        assert!(check_at("acme", "cloudmsg", "a", now + VALIDITY).unwrap_err().contains("expired"));
        for (org, provider, secret) in [("acm", "cloudmsg", "a"), ("acme", "sendtalk", "a"), ("acme", "cloudmsg", "b")]
        {
            assert!(check_at(org, provider, secret, now).unwrap_err().contains("other credentials"));
        }
        let stranger = KeyRing::fresh(DateTime::UNIX_EPOCH).unwrap();
        assert!(check(&token, &stranger, "acme", "cloudmsg", &credentials("a"), now).is_err());
    }

    #[test]
    fn an_expiry_cannot_be_moved() {
        let ring = KeyRing::fresh(DateTime::UNIX_EPOCH).unwrap();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let token = issue(&ring, "acme", "cloudmsg", &credentials("a"), now);
        let mut bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX).unwrap()).unwrap();
        bytes[0] ^= 1;
        let moved = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        assert!(check(&moved, &ring, "acme", "cloudmsg", &credentials("a"), now).is_err());
        for garbage in ["", "x", "ct1_", "ct1_!!", "ct1_AAAA"] {
            assert!(check(garbage, &ring, "acme", "cloudmsg", &credentials("a"), now).is_err());
        }
    }

    #[test]
    fn an_empty_value_is_the_same_as_none() {
        let ring = KeyRing::fresh(DateTime::UNIX_EPOCH).unwrap();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let token = issue(&ring, "acme", "cloudmsg", &credentials("a"), now);
        let mut with_empty = credentials("a");
        with_empty.set("default_sender", "");
        assert_eq!(check(&token, &ring, "acme", "cloudmsg", &with_empty, now), Ok(()));
    }
}
