//! Callbacks as CloudMsg signs them (CloudMsg interface document, Callback).

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::{Client, RequestBuilder};
use ring::hmac;

pub(crate) fn http() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// A callback of an account, signed now.
#[expect(clippy::disallowed_methods, reason = "the vendor has a clock of its own")]
pub(crate) fn signed(http: &Client, url: &str, service_id: &str, secret: &str, body: &str) -> RequestBuilder {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{millis}.{body}").as_bytes());
    http.post(url)
        .header("x-cm-service-id", service_id)
        .header("x-cm-callback-signature", format!("t={millis},v1={}", hex::encode(tag)))
        .body(body.to_owned())
}
