//! How CloudMsg recognises its customers (interface document, "Credentials").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::account::CloudMsgAccount;
use super::errors::Refusal;
use crate::core::Received;

/// Tolerance of `x-cm-timestamp`, milliseconds either way.
const TOLERANCE_MS: i64 = 5 * 60 * 1000;

/// What is signed: method, path with query as sent, timestamp, access key; never the body.
fn signed_text(method: &str, target: &str, timestamp: &str, access_key: &str) -> String {
    format!("{method} {target}\n{timestamp}\n{access_key}")
}

/// Verifies a request against the account that its path names.
pub(super) fn verify(account: &CloudMsgAccount, received: &Received, now_ms: i64) -> Result<(), Refusal> {
    let header =
        |name: &str| received.header(name).ok_or_else(|| Refusal::new("200", format!("the header {name} is missing")));
    let timestamp = header("x-cm-timestamp")?;
    let access_key = header("x-cm-access-key")?;
    let signature = header("x-cm-signature")?;
    if access_key != account.access_key {
        return Err(Refusal::new("200", "the access key is not of this service"));
    }
    let at: i64 = timestamp.parse().map_err(|_| Refusal::new("200", "x-cm-timestamp is not epoch milliseconds"))?;
    if (now_ms - at).abs() > TOLERANCE_MS {
        return Err(Refusal::new("200", "x-cm-timestamp is more than five minutes off"));
    }
    let given = STANDARD.decode(signature).map_err(|_| Refusal::new("200", "x-cm-signature is not Base64"))?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, account.secret_key.as_bytes());
    let text = signed_text(received.method.as_str(), &received.target, timestamp, access_key);
    hmac::verify(&key, text.as_bytes(), &given).map_err(|_| Refusal::new("200", "the signature does not match"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn account() -> CloudMsgAccount {
        CloudMsgAccount::new("svc-demo", "AK-demo", "SK-demo-secret", "cb-secret")
    }

    fn request(method: Method, target: &str, signature: &str) -> Received {
        let mut headers = HeaderMap::new();
        headers.insert("x-cm-timestamp", HeaderValue::from_static("1700000000000"));
        headers.insert("x-cm-access-key", HeaderValue::from_static("AK-demo"));
        headers.insert("x-cm-signature", HeaderValue::from_str(signature).unwrap());
        Received { method, target: target.to_owned(), headers, body: axum::body::Bytes::new() }
    }

    #[test]
    fn the_documents_vectors_verify() {
        let send =
            request(Method::POST, "/v2/services/svc-demo/messages", "ml40/npLg1ysX5i8PR1tNai3S8Ae3gTl8nK/o3n9uXo=");
        verify(&account(), &send, NOW).unwrap();
        let look_up = request(
            Method::GET,
            "/v2/services/svc-demo/messages?clientRef=ord-1001",
            "9F+4f4YIMcedLhHDaySYI4aZIZACtLupi+myMfnaqlE=",
        );
        verify(&account(), &look_up, NOW).unwrap();
    }

    #[test]
    fn five_minutes_are_tolerated_and_not_a_millisecond_more() {
        let send =
            request(Method::POST, "/v2/services/svc-demo/messages", "ml40/npLg1ysX5i8PR1tNai3S8Ae3gTl8nK/o3n9uXo=");
        for off in [TOLERANCE_MS, -TOLERANCE_MS] {
            assert!(verify(&account(), &send, NOW + off).is_ok());
            assert_eq!(verify(&account(), &send, NOW + off + off.signum()).unwrap_err().code, "200");
        }
    }

    #[test]
    fn the_query_is_part_of_what_is_signed() {
        let moved = request(
            Method::GET,
            "/v2/services/svc-demo/messages?clientRef=ord-1002",
            "9F+4f4YIMcedLhHDaySYI4aZIZACtLupi+myMfnaqlE=",
        );
        assert_eq!(verify(&account(), &moved, NOW).unwrap_err().reason, "the signature does not match");
    }
}
