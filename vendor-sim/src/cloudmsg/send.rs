//! The send (interface document, "Send"): one endpoint, 1–100 recipients, each of whom may be refused by itself.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::CloudMsg;
use super::account::{AccountStatus, CloudMsgAccount};
use super::body::{Recipient, SendBody, warnings};
use super::errors::Refusal;
use super::rules::{Shared, check_recipient, check_shared};
use crate::core::{Answer, Effects, Received, Wire};
use crate::flow;
use crate::message::{Channel, FallbackPlan, Message, State};
use crate::outcome::is_refused_number;

/// What a recipient gets: accepted, with the vendor's own fallback if there will be one, or refused.
type Verdict = Result<Option<FallbackPlan>, Refusal>;

/// `POST …/messages`.
pub(super) async fn send(
    vendor: &Arc<CloudMsg>,
    account: &CloudMsgAccount,
    received: &Received,
    effects: Effects,
) -> Result<Answer, Refusal> {
    if !received.is_type("application/json") {
        return Err(Refusal::new("100", "content-type: must be application/json"));
    }
    let body: SendBody =
        serde_json::from_slice(&received.body).map_err(|error| Refusal::new("100", error.to_string()))?;
    let recipients = body.messages.as_deref().unwrap_or_default();
    let references: Vec<String> = recipients.iter().filter_map(|one| one.client_ref.clone()).collect();
    let refused = |refusal: Refusal| Answer { references: references.clone(), ..refusal.into_answer() };
    if account.status == AccountStatus::Suspended {
        return Ok(refused(Refusal::new("210", "the service is suspended")));
    }
    let shared = match check_shared(vendor, account, &body) {
        Ok(shared) => shared,
        Err(refusal) => return Ok(refused(refusal)),
    };
    let verdicts: Vec<Verdict> = recipients
        .iter()
        .enumerate()
        .map(|(index, recipient)| check_recipient(account, &shared, &body, recipient, index, &effects))
        .collect();
    let single = verdicts.len() == 1
        && (vendor.core.settings().refuse_inside_202
            || effects.refuse.is_some()
            || recipients[0].to.as_deref().is_some_and(is_refused_number));
    if let (Some(Err(first)), false, true) = (verdicts.first(), single, verdicts.iter().all(Result::is_err)) {
        return Ok(refused(first.clone()));
    }
    let count = verdicts.iter().filter(|verdict| verdict.is_ok()).count();
    if let Err(refusal) = vendor.charge(&account.service_id, count) {
        return Ok(refused(refusal));
    }
    vendor.core.pause(effects.pause_ms).await;
    let mut answer = accept(vendor, account, &body, &shared, verdicts, &effects).await;
    answer.references = references;
    answer.warnings = warnings(&body);
    Ok(answer)
}

/// Makes the messages and writes the answer.
async fn accept(
    vendor: &Arc<CloudMsg>,
    account: &CloudMsgAccount,
    body: &SendBody,
    shared: &Shared,
    verdicts: Vec<Verdict>,
    effects: &Effects,
) -> Answer {
    let wire: Arc<dyn Wire> = Arc::<CloudMsg>::clone(vendor);
    let request_id = vendor.core.ids.next("RCM-");
    let now = vendor.core.clock.now_ms();
    let (mut items, mut accepted) = (Vec::new(), Vec::new());
    for (recipient, verdict) in body.messages.iter().flatten().zip(verdicts) {
        let fallback_plan = match verdict {
            Ok(plan) => plan,
            Err(refusal) => {
                items.push(item(recipient, "", &refusal.code, "fail", &refusal.reason));
                continue;
            }
        };
        let id = vendor.core.ids.next("m-");
        items.push(item(recipient, &id, "A000", "success", ""));
        let message = Message {
            message_id: id.clone(),
            request_id: Some(request_id.clone()),
            fallback_plan,
            accepted_at: now,
            updated_at: now,
            ..draft(account, body, shared, recipient)
        };
        flow::accept(&wire, message, effects.outcome.clone()).await;
        accepted.push(id);
    }
    let answer = json!({
        "requestId": request_id, "requestTime": now, "statusCode": "202", "statusName": "success", "messages": items,
    });
    Answer { accepted, ..Answer::json(StatusCode::ACCEPTED, &answer) }
}

fn item(recipient: &Recipient, id: &str, code: &str, name: &str, why: &str) -> Value {
    json!({
        "messageId": id,
        "to": recipient.to,
        "clientRef": recipient.client_ref,
        "requestStatusCode": code,
        "requestStatusName": name,
        "requestStatusDesc": why,
    })
}

/// The message as it was asked for, still without id and times.
fn draft(account: &CloudMsgAccount, body: &SendBody, shared: &Shared, recipient: &Recipient) -> Message {
    let alimtalk = shared.channel == Channel::Alimtalk;
    let title = if alimtalk { &body.title } else { &body.subject };
    let text = recipient.content.as_ref().or(body.content.as_ref());
    Message {
        message_id: String::new(),
        request_id: None,
        account: account.service_id.clone(),
        reference: recipient.client_ref.clone(),
        idempotency_key: None,
        channel: shared.channel,
        to: recipient.to.clone().unwrap_or_default(),
        from: body.from.clone(),
        subject: recipient.subject.as_ref().or(title.as_ref()).cloned(),
        text: text.cloned().unwrap_or_default(),
        images: shared.images.clone(),
        buttons: shared.buttons.clone(),
        template_code: body.template_code.clone().filter(|_| alimtalk),
        advertisement: shared.advertisement,
        fallback_plan: None,
        fallback_message_id: None,
        fallback_of: None,
        state: State::Accepted,
        carrier: None,
        accepted_at: 0,
        updated_at: 0,
        completed_at: None,
    }
}
