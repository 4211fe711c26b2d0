//! Status words and callbacks of SendTalk (interface document, "Callback"): Standard Webhooks, one event a POST.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::account::{SendTalkAccount, secret_bytes};
use crate::clock::rfc3339;
use crate::core::{Core, Outgoing, locked};
use crate::message::{Message, State};

/// `status` and `result_code` of a message.
pub(super) fn status_of(message: &Message) -> (&str, Option<&str>) {
    match &message.state {
        State::Accepted => ("queued", None),
        State::WithCarrier => ("sent", None),
        State::Delivered => ("delivered", Some("0000")),
        State::Failed { code } if code == "2000" => ("expired", Some("2000")),
        State::Failed { code } => ("failed", Some(code)),
        State::Unconfirmed => ("unconfirmed", Some("3005")),
        State::Other { word, code } => (word, code.as_deref()),
    }
}

/// What became of the fallback, or null.
pub(super) fn fallback(core: &Core, message: &Message) -> Value {
    let Some(id) = &message.fallback_message_id else {
        return Value::Null;
    };
    let store = locked(&core.store);
    let Some(child) = store.get(id) else {
        return Value::Null;
    };
    json!({ "mode": child.channel.lower(), "status": status_of(child).0, "message_id": id })
}

/// The event about the message as it is now.
pub(super) fn event(core: &Core, message: &Message) -> Value {
    let (status, result_code) = status_of(message);
    json!({
        "type": "message.status",
        "timestamp": rfc3339(core.clock.now_ms()),
        "data": {
            "message_id": message.message_id,
            "reference": message.reference,
            "channel": message.channel.lower(),
            "status": status,
            "result_code": result_code,
            "carrier": message.carrier,
            "occurred_at": rfc3339(message.updated_at),
            "fallback": fallback(core, message),
        }
    })
}

/// Signs a callback with the account's secret, or both of them while it is rotated.
pub(super) fn sign(
    account: &SendTalkAccount,
    body: &[u8],
    event_id: &str,
    secret: Option<&str>,
    t_ms: i64,
) -> Result<Outgoing, String> {
    let url = account.callback_url.clone().ok_or("no callback_url is registered")?;
    if account.callback_switched_off {
        return Err("the endpoint answered 410 and is switched off".to_owned());
    }
    let timestamp = t_ms.div_euclid(1000).to_string();
    let secrets = match secret {
        Some(secret) => vec![secret],
        None => {
            std::iter::once(account.webhook_secret.as_str()).chain(account.previous_webhook_secret.as_deref()).collect()
        }
    };
    let signatures: Option<Vec<String>> =
        secrets.into_iter().map(|secret| signature(secret, event_id, &timestamp, body)).collect();
    let signatures = signatures.ok_or("the secret is not whsec_ and Base64")?;
    let headers = vec![
        ("webhook-id", event_id.to_owned()),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", signatures.join(" ")),
        ("x-st-account", account.account_id.clone()),
    ];
    Ok(Outgoing { url, headers })
}

fn signature(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> Option<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret_bytes(secret)?);
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{id}.{timestamp}.").as_bytes());
    context.update(body);
    Some(format!("v1,{}", STANDARD.encode(context.sign())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_c2VuZHRhbGstZGVtby1zZWNyZXQtMzItYnl0ZXMhISE=";
    const BODY: &[u8] =
        br#"{"type":"message.status","timestamp":"2023-11-14T22:13:20Z","data":{"message_id":"st_1","status":"delivered"}}"#;

    #[test]
    fn the_documents_vector_is_what_we_sign() {
        assert_eq!(
            signature(SECRET, "evt_1", "1700000000", BODY).unwrap(),
            "v1,lmCwYcNjyMSFiLOFGu+kuvGt3Dn9DXhTfW8Jl8muS0s="
        );
    }

    #[test]
    fn two_signatures_are_sent_while_a_secret_is_rotated() {
        let mut account = SendTalkAccount::new("acct_demo", "0123456789abcdef", SECRET);
        account.callback_url = Some("http://127.0.0.1:1/".to_owned());
        account.previous_webhook_secret = Some("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=".to_owned());
        let outgoing = sign(&account, BODY, "evt_1", None, 1_700_000_000_999).unwrap();
        let (name, value) = &outgoing.headers[2];
        assert_eq!(*name, "webhook-signature");
        let both: Vec<&str> = value.split(' ').collect();
        assert_eq!(both[0], "v1,lmCwYcNjyMSFiLOFGu+kuvGt3Dn9DXhTfW8Jl8muS0s=");
        assert!(both[1].starts_with("v1,") && both.len() == 2, "{value}");
    }

    #[test]
    fn a_switched_off_endpoint_gets_nothing() {
        let mut account = SendTalkAccount::new("acct_demo", "0123456789abcdef", SECRET);
        account.callback_url = Some("http://127.0.0.1:1/".to_owned());
        account.callback_switched_off = true;
        assert!(sign(&account, BODY, "evt_1", None, 0).unwrap_err().contains("410"));
    }
}
