//! HMAC-SHA256 over callbacks, and the header parsing that the vendors' formats share.

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName};
use ring::hmac;

use crate::webhook::{TIMESTAMP_TOLERANCE, WebhookError};

/// A signature in bytes.
pub(crate) type Tag = [u8; 32];

/// Most signatures in one header that are looked at. Two are usual while a secret is replaced; without a limit a
/// stranger could make every request as dear as they like.
const MAX_SIGNATURES: usize = 8;

/// The one value of a header.
pub(crate) fn header<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    missing: &'static str,
) -> Result<&'h str, WebhookError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => match value.to_str().map(str::trim) {
            Ok(value) if !value.is_empty() => Ok(value),
            _ => Err(WebhookError::Unverified(missing)),
        },
        _ => Err(WebhookError::Unverified(missing)),
    }
}

/// A timestamp header or field: decimal digits only.
pub(crate) fn timestamp(digits: &str) -> Option<i64> {
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// Checks that a signed time is close enough to ours, both ways.
pub(crate) fn check_time(signed_ms: i64, now: DateTime<Utc>) -> Result<(), WebhookError> {
    let off = signed_ms.abs_diff(now.timestamp_millis());
    if off > TIMESTAMP_TOLERANCE.num_milliseconds().unsigned_abs() {
        return Err(WebhookError::Unverified("its timestamp is more than five minutes off"));
    }
    Ok(())
}

/// Checks the number of signatures that a header brought.
pub(crate) fn check_count(signatures: &[Tag]) -> Result<(), WebhookError> {
    match signatures.len() {
        0 => Err(WebhookError::Unverified("the signature header holds no readable v1 signature")),
        1..=MAX_SIGNATURES => Ok(()),
        _ => Err(WebhookError::Unverified("the signature header holds too many signatures")),
    }
}

/// Whether one of the signatures is the HMAC of the parts under this secret.
///
/// The time taken depends on lengths and counts alone: the HMAC is made once, and compared by `ring::hmac::verify` with
/// a keyed digest of each candidate, which no early byte can cut short.
fn fits(secret: &[u8], parts: &[&[u8]], signatures: &[Tag]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    let expected = context.sign();
    signatures.iter().fold(false, |fitted, signature| {
        fitted | hmac::verify(&key, expected.as_ref(), hmac::sign(&key, signature).as_ref()).is_ok()
    })
}

/// The indices of the secrets that fit; a secret that is not there keeps its place and fits nothing.
///
/// # Errors
///
/// [`WebhookError::Unverified`] when none does.
pub(crate) fn fitting<S: AsRef<[u8]>>(
    secrets: impl IntoIterator<Item = Option<S>>,
    parts: &[&[u8]],
    signatures: &[Tag],
) -> Result<Vec<usize>, WebhookError> {
    let secrets = secrets.into_iter().enumerate();
    let fitting: Vec<usize> =
        secrets.filter_map(|(index, secret)| fits(secret?.as_ref(), parts, signatures).then_some(index)).collect();
    if fitting.is_empty() {
        return Err(WebhookError::Unverified("no secret of the account fits its signature"));
    }
    Ok(fitting)
}
