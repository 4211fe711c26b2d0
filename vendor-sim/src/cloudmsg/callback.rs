//! Status words and callbacks of CloudMsg (interface document, "Status" and "Callback").

use ring::hmac;
use serde_json::{Map, Value, json};

use super::account::CloudMsgAccount;
use crate::callbacks::Event;
use crate::core::{Core, Outgoing, locked};
use crate::message::{Channel, Message, State};

/// `status`, `statusName`, `statusCode`, `statusMessage` of a message.
pub(super) fn status_fields(message: &Message) -> Map<String, Value> {
    let (status, name, code, text) = match &message.state {
        State::Accepted => ("READY", None, None, ""),
        State::WithCarrier => ("PROCESSING", None, None, ""),
        State::Delivered if message.channel == Channel::Alimtalk => {
            ("COMPLETED", Some("success"), Some("0000"), "성공")
        }
        State::Delivered => ("COMPLETED", Some("success"), Some("0"), "성공"),
        State::Failed { code } => ("COMPLETED", Some("fail"), Some(code.as_str()), "실패"),
        State::Unconfirmed => ("COMPLETED", Some("fail"), Some("3005"), "성공 불확실"),
        State::Other { word, code } => (word.as_str(), None, code.as_deref(), ""),
    };
    let mut fields = Map::new();
    fields.insert("status".to_owned(), json!(status));
    fields.insert("statusName".to_owned(), json!(name));
    fields.insert("statusCode".to_owned(), json!(code));
    fields.insert("statusMessage".to_owned(), json!(text));
    fields
}

/// What became of the vendor's own fallback, or null.
pub(super) fn failover(core: &Core, message: &Message) -> Value {
    let Some(id) = &message.fallback_message_id else {
        return Value::Null;
    };
    let store = locked(&core.store);
    let Some(child) = store.get(id) else {
        return Value::Null;
    };
    let mut fields = status_fields(child);
    fields.remove("statusMessage");
    fields.insert("messageId".to_owned(), json!(id));
    Value::Object(fields)
}

/// One event about the message as it is now.
pub(super) fn event(core: &Core, message: &Message, event_id: &str) -> Value {
    let mut event = json!({
        "eventId": event_id,
        "messageId": message.message_id,
        "requestId": message.request_id,
        "clientRef": message.reference,
        "type": message.channel.upper(),
        "telcoCode": message.carrier,
        "completeTime": message.completed_at,
        "eventTime": core.clock.now_ms(),
        "failover": failover(core, message),
    });
    if let Some(fields) = event.as_object_mut() {
        fields.extend(status_fields(message));
    }
    event
}

/// The array of a callback.
pub(super) fn pack(events: &[Event]) -> Vec<u8> {
    let bodies: Vec<&Value> = events.iter().map(|event| &event.body).collect();
    serde_json::to_vec(&bodies).unwrap_or_default()
}

/// Signs a callback with the account's secret, or both of them while it is rotated.
pub(super) fn sign(
    account: &CloudMsgAccount,
    body: &[u8],
    secret: Option<&str>,
    t_ms: i64,
) -> Result<Outgoing, String> {
    let url = account.callback_url.clone().ok_or("no callback_url is registered")?;
    let mut header = format!("t={t_ms}");
    let secrets = match secret {
        Some(secret) => vec![secret],
        None => std::iter::once(account.callback_secret.as_str())
            .chain(account.previous_callback_secret.as_deref())
            .collect(),
    };
    for secret in secrets {
        header.push_str(",v1=");
        header.push_str(&signature(secret, t_ms, body));
    }
    let headers = vec![("x-cm-service-id", account.service_id.clone()), ("x-cm-callback-signature", header)];
    Ok(Outgoing { url, headers })
}

fn signature(secret: &str, t_ms: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{t_ms}.").as_bytes());
    context.update(body);
    hex::encode(context.sign())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"[{"eventId":"ev-1","messageId":"m-1","status":"DELIVERED"}]"#;

    #[test]
    fn the_documents_vector_is_what_we_sign() {
        assert_eq!(
            signature("cb-secret", 1_700_000_000_000, BODY),
            "d76708d0ffb02299f47a2260b4a0d5ef5c66d314802e84f0f3b61faf4374eae9"
        );
    }

    #[test]
    fn two_signatures_are_sent_while_a_secret_is_rotated() {
        let mut account = CloudMsgAccount::new("svc-demo", "AK-demo", "SK-demo-secret", "new");
        account.callback_url = Some("http://127.0.0.1:1/".to_owned());
        account.previous_callback_secret = Some("cb-secret".to_owned());
        let outgoing = sign(&account, BODY, None, 1_700_000_000_000).unwrap();
        let (_, header) = &outgoing.headers[1];
        assert!(header.starts_with("t=1700000000000,v1="), "{header}");
        assert!(header.ends_with(",v1=d76708d0ffb02299f47a2260b4a0d5ef5c66d314802e84f0f3b61faf4374eae9"), "{header}");
        assert_eq!(header.matches("v1=").count(), 2);
    }
}
