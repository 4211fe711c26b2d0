//! What all three sends have in common: idempotency first, then the checks, then one message.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::SendTalk;
use super::account::{AccountStatus, SendTalkAccount};
use super::errors::{Refusal, success};
use super::idempotency::{Done, Turn};
use super::{alimtalk, mms, sms};
use crate::clock::rfc3339;
use crate::core::{Answer, Effects, Received, Wire, locked};
use crate::cp949;
use crate::flow;
use crate::message::{Channel, FallbackPlan, ImageFacts, Message, State};
use crate::outcome::is_refused_number;
use crate::phone;

/// A send, read and not yet judged.
pub(super) struct Parsed {
    /// What makes two bodies the same; independent of multipart boundaries.
    pub(super) fingerprint: String,
    pub(super) payload: Value,
    pub(super) images: Vec<(String, Vec<u8>)>,
}

/// A send that is in order.
pub(super) struct Draft {
    pub(super) channel: Channel,
    pub(super) to: String,
    pub(super) from: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) text: String,
    pub(super) reference: Option<String>,
    pub(super) images: Vec<ImageFacts>,
    pub(super) buttons: Value,
    pub(super) template_code: Option<String>,
    pub(super) advertisement: bool,
    pub(super) fallback: Option<FallbackPlan>,
    /// Fields that the document does not know.
    pub(super) unknown: Vec<String>,
}

/// `POST /v1/sms`, `/v1/mms`, `/v1/alimtalk`.
pub(super) async fn send(
    vendor: &Arc<SendTalk>,
    account: &SendTalkAccount,
    received: &Received,
    effects: Effects,
) -> Answer {
    let multipart = received.path() == "/v1/mms";
    let expected = if multipart { "multipart/form-data" } else { "application/json" };
    if !received.is_type(expected) {
        let refusal = Refusal::new(-2018, format!("content-type must be {expected}"));
        return refusal.into_answer_with(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let parsed = if multipart { mms::read(received).await } else { read_json(received) };
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(refusal) => return refusal.into_answer(),
    };
    let references: Vec<String> =
        parsed.payload.get("reference").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    let mut answer = under_key(vendor, account, received, parsed, effects).await.unwrap_or_else(Refusal::into_answer);
    answer.references = references;
    answer
}

fn read_json(received: &Received) -> Result<Parsed, Refusal> {
    let payload: Value = serde_json::from_slice(&received.body)
        .map_err(|error| Refusal::new(-2018, format!("the body is not JSON: {error}")))?;
    Ok(Parsed { fingerprint: format!("{} {payload}", received.path()), payload, images: Vec::new() })
}

async fn under_key(
    vendor: &Arc<SendTalk>,
    account: &SendTalkAccount,
    received: &Received,
    parsed: Parsed,
    effects: Effects,
) -> Result<Answer, Refusal> {
    let Some(key) = received.header("idempotency-key").map(str::to_owned) else {
        return carry_out(vendor, account, received.path(), None, parsed, effects).await;
    };
    if key.is_empty() || key.len() > 64 {
        return Err(Refusal::new(-2015, "Idempotency-Key: 1 to 64 characters"));
    }
    let now = vendor.core.clock.now_ms();
    let turn = locked(&vendor.keys).begin(&account.account_id, &key, &parsed.fingerprint, now)?;
    locked(&vendor.keys).limit(vendor.core.settings().message_limit);
    if let Turn::Replay(done) = turn {
        return Ok(accepted(&done, parsed.payload.get("reference"), true));
    }
    let answer = carry_out(vendor, account, received.path(), Some(key.clone()), parsed, effects).await;
    if answer.is_err() {
        locked(&vendor.keys).end(&account.account_id, &key, None);
    }
    answer
}

async fn carry_out(
    vendor: &Arc<SendTalk>,
    account: &SendTalkAccount,
    path: &str,
    key: Option<String>,
    parsed: Parsed,
    effects: Effects,
) -> Result<Answer, Refusal> {
    if account.status == AccountStatus::Suspended {
        return Err(Refusal::new(-1008, "the account is suspended"));
    }
    let reference = parsed.payload.get("reference").cloned();
    let now = vendor.core.clock.now_ms();
    let draft = match path {
        "/v1/sms" => sms::check(account, parsed.payload, now)?,
        "/v1/mms" => mms::check(account, parsed, now)?,
        _ => alimtalk::check(account, parsed.payload)?,
    };
    if let Some(code) = effects.refusal_of(0, &draft.to) {
        return Err(Refusal::new(code.parse().unwrap_or(-9999), "a scripted fault refused this recipient"));
    }
    vendor.charge(&account.account_id)?;
    vendor.core.pause(effects.pause_ms).await;
    let now = vendor.core.clock.now_ms();
    let done = Done { message_id: vendor.core.ids.next("st_"), accepted_at: now };
    if let Some(key) = &key {
        locked(&vendor.keys).end(&account.account_id, key, Some(done.clone()));
    }
    let warnings = draft.unknown.iter().map(|name| format!("unknown field {name}")).collect();
    let wire: Arc<dyn Wire> = Arc::<SendTalk>::clone(vendor);
    flow::accept(&wire, message(account, draft, key, &done), effects.outcome).await;
    let answer = accepted(&done, reference.as_ref(), false);
    Ok(Answer { accepted: vec![done.message_id], warnings, ..answer })
}

fn accepted(done: &Done, reference: Option<&Value>, replayed: bool) -> Answer {
    success(&json!({
        "message_id": done.message_id,
        "reference": reference,
        "accepted_at": rfc3339(done.accepted_at),
        "replayed": replayed,
    }))
}

fn message(account: &SendTalkAccount, draft: Draft, key: Option<String>, done: &Done) -> Message {
    Message {
        message_id: done.message_id.clone(),
        request_id: None,
        account: account.account_id.clone(),
        reference: draft.reference,
        idempotency_key: key,
        channel: draft.channel,
        to: draft.to,
        from: draft.from,
        subject: draft.subject,
        text: draft.text,
        images: draft.images,
        buttons: draft.buttons,
        template_code: draft.template_code,
        advertisement: draft.advertisement,
        fallback_plan: draft.fallback,
        fallback_message_id: None,
        fallback_of: None,
        state: State::Accepted,
        carrier: None,
        accepted_at: done.accepted_at,
        updated_at: done.accepted_at,
        completed_at: None,
    }
}

/// A field that must be there and not empty.
pub(super) fn required(field: Option<String>, name: &str) -> Result<String, Refusal> {
    field.filter(|value| !value.is_empty()).ok_or_else(|| Refusal::new(-2018, format!("{name} is missing")))
}

pub(super) fn check_to(to: &str) -> Result<(), Refusal> {
    let national = phone::from_e164(to).filter(|national| phone::is_recipient(national));
    if national.is_none() || is_refused_number(to) {
        return Err(Refusal::new(-2019, "recipient is invalid"));
    }
    Ok(())
}

pub(super) fn check_from(account: &SendTalkAccount, from: &str) -> Result<(), Refusal> {
    if !phone::from_e164(from).is_some_and(|national| phone::is_sender(&national)) {
        return Err(Refusal::new(-2019, "sender is invalid"));
    }
    if account.blocked_senders.iter().any(|blocked| blocked == from) {
        return Err(Refusal::new(-2313, "sender is blocked"));
    }
    if !account.has_sender(from) {
        return Err(Refusal::new(-2312, "sender is not registered"));
    }
    Ok(())
}

pub(super) fn check_bytes(text: &str, name: &str, limit: usize) -> Result<(), Refusal> {
    match cp949::byte_length(text) {
        None => Err(Refusal::new(-2023, format!("{name} holds a character that CP949 does not have"))),
        Some(bytes) if bytes > limit => {
            Err(Refusal::new(-2015, format!("{name} has {bytes} bytes, at most {limit} are allowed")))
        }
        Some(_) => Ok(()),
    }
}

pub(super) fn check_reference(reference: Option<&str>) -> Result<(), Refusal> {
    match reference {
        Some(reference) if reference.chars().count() > 64 => {
            Err(Refusal::new(-2015, "reference has more than 64 characters"))
        }
        _ => Ok(()),
    }
}
