//! CloudMsg's callbacks: arrays of events of one service, signed (CloudMsg interface document, Callback).

use std::collections::BTreeMap;

use bytes::Bytes;
use ring::hmac;
use serde_json::json;
use switchboard_runtime::{Clock as _, SystemClock};

use super::messages::Sent;
use crate::switchboard::CALLBACK_SECRET;

/// A callback to post.
#[derive(Clone, Debug)]
pub(super) struct Callback {
    pub(super) service_id: String,
    pub(super) signature: String,
    pub(super) body: Bytes,
}

/// One event for each message, so many to a callback, signed now; a signature is good for five minutes.
pub(super) fn callbacks(sent: &[Sent], events: usize) -> Vec<Callback> {
    let mut services: BTreeMap<&str, Vec<&Sent>> = BTreeMap::new();
    for sent in sent {
        services.entry(&sent.provider_account).or_default().push(sent);
    }
    let millis = SystemClock.now().timestamp_millis();
    let mut queues: Vec<Vec<Callback>> = services
        .into_iter()
        .map(|(service_id, sent)| sent.chunks(events).map(|part| callback(service_id, part, millis)).collect())
        .collect();
    // Services in turn, as callbacks arrive.
    let mut all = Vec::new();
    while queues.iter().any(|queue| !queue.is_empty()) {
        all.extend(queues.iter_mut().filter_map(Vec::pop));
    }
    all
}

fn callback(service_id: &str, sent: &[&Sent], millis: i64) -> Callback {
    let events: Vec<_> = sent
        .iter()
        .map(|sent| {
            json!({
                "eventId": format!("ev-{}", sent.message_id), "messageId": sent.provider_message_id,
                "requestId": format!("RCM-{}", sent.message_id), "clientRef": sent.message_id, "type": "SMS",
                "status": "COMPLETED", "statusName": "success", "statusCode": "0", "statusMessage": "성공",
                "telcoCode": "SKT", "completeTime": millis, "eventTime": millis, "failover": null,
            })
        })
        .collect();
    let body = Bytes::from(serde_json::Value::Array(events).to_string());
    let signature = sign(CALLBACK_SECRET, millis, &body);
    Callback { service_id: service_id.to_owned(), signature, body }
}

/// `t=<epoch ms>,v1=<hex>`: HMAC-SHA256 over `t`, a full stop and the raw body.
fn sign(secret: &str, millis: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    context.update(millis.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    format!("t={millis},v1={}", hex::encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_documents_vector() {
        let body = br#"[{"eventId":"ev-1","messageId":"m-1","status":"DELIVERED"}]"#;
        let signature = sign("cb-secret", 1_700_000_000_000, body);
        let expected = "t=1700000000000,v1=d76708d0ffb02299f47a2260b4a0d5ef5c66d314802e84f0f3b61faf4374eae9";
        assert_eq!(signature, expected);
    }

    #[test]
    fn every_message_gets_one_event_in_a_callback_of_its_own_service() {
        let sent = |number: u32, service: &str| Sent {
            message_id: format!("id-{number}"),
            provider_message_id: format!("m-id-{number}"),
            provider_account: service.to_owned(),
        };
        let all: Vec<Sent> = (0..5).map(|number| sent(number, if number < 3 { "svc-a" } else { "svc-b" })).collect();
        let callbacks = callbacks(&all, 2);
        let services: Vec<_> = callbacks.iter().map(|callback| callback.service_id.as_str()).collect();
        assert_eq!(services, ["svc-a", "svc-b", "svc-a"]);
        let events = callbacks
            .iter()
            .map(|callback| serde_json::from_slice::<Vec<serde_json::Value>>(&callback.body).unwrap().len());
        assert_eq!(events.sum::<usize>(), 5);
    }
}
