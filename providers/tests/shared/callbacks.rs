//! What must hold for every callback that anybody may send: the seeded run of the suite and the fuzz targets hold the
//! vendors to the same.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use secrecy::SecretString;
use switchboard_providers::{WebhookError, WebhookEvent, WebhookFormat};

/// How long a callback's timestamp is believed, both ways (both vendors' documents, Callback).
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// Reads any body. It is read or refused, the same each time; what it says does not depend on how it is written; and what
/// cannot be read now is set aside so that it can be read again.
pub fn reads_or_refuses(format: &dyn WebhookFormat, body: &[u8]) {
    let read = format.parse(body);
    assert_eq!(read, format.parse(body), "the same body, the same events");
    let Ok(events) = read else { return };
    for event in &events {
        match event {
            WebhookEvent::Report(report) => {
                assert!(!report.provider_message_id.is_empty() && !report.event_key.is_empty());
                let kept = [&report.provider_message_id, &report.client_reference, &report.provider_status];
                for word in kept.into_iter().chain([&report.event_key]) {
                    assert!(!word.chars().any(char::is_control), "{word:?} could not be kept");
                    assert!(word.len() <= 2048, "{} bytes", word.len());
                }
                assert!(report.failure.is_none() || report.status.is_some());
            }
            WebhookEvent::Ignored { kind } => assert!(!kind.chars().any(char::is_control)),
            WebhookEvent::Malformed { why, raw, .. } => match format.parse_element(raw) {
                WebhookEvent::Malformed { why: again, raw: kept, index: 0 } => assert_eq!((why, raw), (&again, &kept)),
                other => panic!("set aside as unreadable, and read as {other:?}"),
            },
        }
    }
    let unreadable = events.iter().any(|event| matches!(event, WebhookEvent::Malformed { .. }));
    // What was written twice is written once by this: only what is whole reads the same.
    if let (false, Ok(value)) = (unreadable, serde_json::from_slice::<serde_json::Value>(body)) {
        for written in [serde_json::to_vec(&value), serde_json::to_vec_pretty(&value)] {
            assert_eq!(format.parse(&written.unwrap()), Ok(events.clone()), "another spelling, other events");
        }
    }
}

/// Headers as they are given, which need not be headers.
pub type Given = Vec<(&'static str, String)>;

/// How a vendor signs: what the document says, written once more and without the code that verifies.
#[derive(Clone, Copy, Debug)]
pub struct Signs {
    /// Code of the vendor.
    pub vendor: &'static str,
    /// A secret as the vendor's form takes it.
    pub secret: &'static str,
    /// Another one.
    pub other_secret: &'static str,
    /// The headers of a body signed with a secret at an instant.
    pub headers: fn(&str, DateTime<Utc>, &[u8]) -> Given,
    /// Whether a header could hold the signature of the body: looked for in the crudest way.
    pub is_signed: fn(&HeaderMap, &str, &[u8]) -> bool,
}

/// Both vendors.
pub const SIGNERS: [Signs; 2] = [
    Signs {
        vendor: "cloudmsg",
        secret: "cb-secret",
        other_secret: "cb-secret-2",
        headers: |secret, at, body| {
            let time = at.timestamp_millis().to_string();
            let tag = hex::encode(tag(secret.as_bytes(), &[time.as_bytes(), b".", body]));
            vec![("x-cm-service-id", "svc-1".to_owned()), ("x-cm-callback-signature", format!("t={time},v1={tag}"))]
        },
        is_signed: |headers, secret, body| {
            let header = text(headers, "x-cm-callback-signature");
            header.split(',').any(|field| {
                let time = field.trim().strip_prefix('t').and_then(|rest| rest.trim().strip_prefix('='));
                time.is_some_and(|time| {
                    let tag = hex::encode(tag(secret.as_bytes(), &[time.trim().as_bytes(), b".", body]));
                    header.to_ascii_lowercase().contains(&tag)
                })
            })
        },
    },
    Signs {
        vendor: "sendtalk",
        secret: "whsec_c2VuZHRhbGstZGVtby1zZWNyZXQtMzItYnl0ZXMhISE=",
        other_secret: "whsec_YW5vdGhlci1zZWNyZXQtb2YtMzItYnl0ZXMhISEhISE=",
        headers: |secret, at, body| {
            let time = at.timestamp().to_string();
            let tag = BASE64_STANDARD.encode(tag(&key(secret), &[b"evt_1", b".", time.as_bytes(), b".", body]));
            vec![
                ("x-st-account", "acct_1".to_owned()),
                ("webhook-id", "evt_1".to_owned()),
                ("webhook-timestamp", time),
                ("webhook-signature", format!("v1,{tag}")),
            ]
        },
        is_signed: |headers, secret, body| {
            let (id, time) = (text(headers, "webhook-id"), text(headers, "webhook-timestamp"));
            let parts = [id.trim().as_bytes(), b".", time.trim().as_bytes(), b".", body];
            text(headers, "webhook-signature").contains(&BASE64_STANDARD.encode(tag(&key(secret), &parts)))
        },
    },
];

/// Whoever knows the secret is believed, for as long as the timestamp is; nobody else, and not about another body.
pub fn believes_whoever_signed(
    format: &dyn WebhookFormat,
    signs: &Signs,
    body: &[u8],
    now: DateTime<Utc>,
    off: TimeDelta,
) {
    let (secret, other) = (SecretString::from(signs.secret), SecretString::from(signs.other_secret));
    let headers = headers(&(signs.headers)(signs.secret, now + off, body));
    let verified = format.verify(&headers, body, &[&other, &secret], now);
    // The document's time is whole: SendTalk signs seconds.
    if off.abs() <= TOLERANCE - TimeDelta::seconds(1) {
        assert_eq!(verified, Ok(vec![1]), "{off}");
    } else if off.abs() > TOLERANCE + TimeDelta::seconds(1) {
        assert!(matches!(verified, Err(WebhookError::Unverified(_))), "{off}");
    }
    assert!(format.verify(&headers, body, &[&other], now).is_err(), "another secret");
    assert!(format.verify(&headers, body, &[], now).is_err(), "no secret at all");
    let mut changed = body.to_vec();
    match changed.last_mut() {
        Some(byte) => *byte ^= 1,
        None => changed.push(b' '),
    }
    assert!(format.verify(&headers, &changed, &[&secret, &other], now).is_err(), "another body");
}

/// Takes any headers. Who is believed has signed.
pub fn believes_nobody_else(
    format: &dyn WebhookFormat,
    signs: &Signs,
    given: &[(&'static str, String)],
    body: &[u8],
    now: DateTime<Utc>,
) {
    let headers = headers(given);
    let _ = format.account(&headers);
    let secret = SecretString::from(signs.secret);
    if format.verify(&headers, body, &[&secret], now).is_ok() {
        assert!((signs.is_signed)(&headers, signs.secret, body), "believed without a signature: {given:?}");
    }
}

/// The headers that can be headers.
fn headers(given: &[(&'static str, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    headers
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn key(secret: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap()
}

fn tag(secret: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &parts.concat())
}
