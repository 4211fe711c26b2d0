//! Callbacks as the vendors sign them (interface documents, Callback).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use ring::hmac;

/// A callback ready to be posted.
#[derive(Clone)]
pub(crate) struct Callback {
    pub(crate) vendor: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// An array of CloudMsg's, signed.
pub(crate) fn cloudmsg(account: &str, secret: &str, at: DateTime<Utc>, body: &str) -> Callback {
    let time = at.timestamp_millis();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
    Callback {
        vendor: "cloudmsg",
        headers: vec![
            ("x-cm-service-id", account.to_owned()),
            ("x-cm-callback-signature", format!("t={time},v1={}", hex::encode(tag))),
        ],
        body: body.to_owned(),
    }
}

/// One event of CloudMsg's: delivered.
pub(crate) fn delivered(message: &str, reference: &str) -> String {
    format!(
        r#"{{"eventId":"ev-{message}","messageId":"{message}","requestId":"r","clientRef":"{reference}","type":"SMS",
            "status":"COMPLETED","statusName":"success","statusCode":"0","statusMessage":"성공","telcoCode":"SKT",
            "completeTime":1700000005000,"eventTime":1700000005100,"failover":null}}"#
    )
}

/// An event of SendTalk's, signed with the bytes behind `whsec_`.
pub(crate) fn sendtalk(account: &str, secret: &[u8], at: DateTime<Utc>, body: &str) -> Callback {
    let (id, time) = ("evt_1", at.timestamp());
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes());
    Callback {
        vendor: "sendtalk",
        headers: vec![
            ("x-st-account", account.to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", time.to_string()),
            ("webhook-signature", format!("v1,{}", STANDARD.encode(tag))),
        ],
        body: body.to_owned(),
    }
}
