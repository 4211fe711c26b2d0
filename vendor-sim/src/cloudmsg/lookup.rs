//! Looking messages up (interface document, "Look-up"): not found is a 404 with an empty body.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::CloudMsg;
use super::account::CloudMsgAccount;
use super::callback::{failover, status_fields};
use super::errors::Refusal;
use crate::core::{Answer, Received, locked};
use crate::message::Message;

/// `GET …/messages/{messageId}`.
pub(super) fn by_id(vendor: &Arc<CloudMsg>, account: &CloudMsgAccount, id: &str) -> Answer {
    let found = locked(&vendor.core.store).get(id).filter(|message| message.account == account.service_id).cloned();
    match found.filter(|message| vendor.core.is_visible(message)) {
        Some(message) => Answer::json(StatusCode::OK, &item(vendor, &message)),
        None => Answer::empty(StatusCode::NOT_FOUND),
    }
}

/// `GET …/messages?requestId=` or `?clientRef=`.
pub(super) fn by_query(
    vendor: &Arc<CloudMsg>,
    account: &CloudMsgAccount,
    received: &Received,
) -> Result<Answer, Refusal> {
    let found: Vec<Message> = {
        let store = locked(&vendor.core.store);
        let listed = match (received.query("requestId"), received.query("clientRef")) {
            (Some(request), None) => store.by_request(&account.service_id, &request),
            (None, Some(reference)) => store.by_reference(&account.service_id, &reference),
            _ => {
                return Err(Refusal::new("100", "requestId or clientRef, one of the two"));
            }
        };
        listed.into_iter().cloned().collect()
    };
    let items: Vec<Value> =
        found.iter().filter(|message| vendor.core.is_visible(message)).map(|message| item(vendor, message)).collect();
    if items.is_empty() {
        return Ok(Answer::empty(StatusCode::NOT_FOUND));
    }
    Ok(Answer::json(StatusCode::OK, &json!({ "messages": items })))
}

fn item(vendor: &Arc<CloudMsg>, message: &Message) -> Value {
    let mut item = json!({
        "messageId": message.message_id,
        "requestId": message.request_id,
        "clientRef": message.reference,
        "type": message.channel.upper(),
        "to": message.to,
        "from": message.from,
        "telcoCode": message.carrier,
        "requestTime": message.accepted_at,
        "completeTime": message.completed_at,
        "failover": failover(&vendor.core, message),
    });
    if let Some(fields) = item.as_object_mut() {
        fields.extend(status_fields(message));
    }
    item
}
