//! The send (interface document, "Send"): one endpoint, 1–100 recipients, each of whom may be refused by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::CloudMsg;
use super::account::{AccountStatus, CloudMsgAccount};
use super::alimtalk::{self, Button, FailoverConfig};
use super::errors::Refusal;
use crate::core::{Answer, Effects, Received, Wire, locked};
use crate::cp949;
use crate::flow;
use crate::message::{Channel, FallbackPlan, ImageFacts, Message, State};
use crate::outcome::is_refused_number;
use crate::phone;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendBody {
    #[serde(rename = "type")]
    kind: Option<String>,
    content_type: Option<String>,
    pub(super) from: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) content: Option<String>,
    messages: Option<Vec<Recipient>>,
    files: Option<Vec<FileReference>>,
    pub(super) channel_id: Option<String>,
    pub(super) template_code: Option<String>,
    pub(super) title: Option<String>,
    pub(super) buttons: Option<Vec<Button>>,
    pub(super) use_sms_failover: Option<bool>,
    pub(super) failover_config: Option<FailoverConfig>,
    #[serde(flatten)]
    unknown: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    to: Option<String>,
    client_ref: Option<String>,
    subject: Option<String>,
    content: Option<String>,
    #[serde(flatten)]
    unknown: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileReference {
    file_id: String,
}

/// What all recipients of a call share, once it was found in order.
struct Shared {
    channel: Channel,
    advertisement: bool,
    images: Vec<ImageFacts>,
    fallback: Option<FallbackPlan>,
    buttons: Value,
}

/// `POST …/messages`.
pub(super) async fn send(
    vendor: &Arc<CloudMsg>,
    account: &CloudMsgAccount,
    received: &Received,
    effects: Effects,
) -> Result<Answer, Refusal> {
    if !received.is_type("application/json") {
        return Err(Refusal::new(
            "100",
            "content-type: must be application/json",
        ));
    }
    let body: SendBody = serde_json::from_slice(&received.body)
        .map_err(|error| Refusal::new("100", error.to_string()))?;
    let recipients = body.messages.as_deref().unwrap_or_default();
    let references: Vec<String> = recipients
        .iter()
        .filter_map(|one| one.client_ref.clone())
        .collect();
    let refused = |refusal: Refusal| Answer {
        references: references.clone(),
        ..refusal.into_answer()
    };
    if account.status == AccountStatus::Suspended {
        return Ok(refused(Refusal::new("210", "the service is suspended")));
    }
    let shared = match check_shared(vendor, account, &body) {
        Ok(shared) => shared,
        Err(refusal) => return Ok(refused(refusal)),
    };
    let verdicts: Vec<Result<(), Refusal>> = recipients
        .iter()
        .enumerate()
        .map(|(index, recipient)| {
            check_recipient(account, &shared, &body, recipient, index, &effects)
        })
        .collect();
    let single = verdicts.len() == 1
        && (vendor.core.settings().refuse_inside_202
            || effects.refuse.is_some()
            || recipients[0].to.as_deref().is_some_and(is_refused_number));
    if let (Some(Err(first)), false, true) = (
        verdicts.first(),
        single,
        verdicts.iter().all(Result::is_err),
    ) {
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
    verdicts: Vec<Result<(), Refusal>>,
    effects: &Effects,
) -> Answer {
    let wire: Arc<dyn Wire> = Arc::<CloudMsg>::clone(vendor);
    let request_id = vendor.core.ids.next("RCM-");
    let now = vendor.core.clock.now_ms();
    let (mut items, mut accepted) = (Vec::new(), Vec::new());
    for (recipient, verdict) in body.messages.iter().flatten().zip(verdicts) {
        let (id, code, name, why) = match verdict {
            Ok(()) => (
                vendor.core.ids.next("m-"),
                "A000".to_owned(),
                "success",
                String::new(),
            ),
            Err(refusal) => (String::new(), refusal.code, "fail", refusal.reason),
        };
        items.push(json!({
            "messageId": id, "to": recipient.to, "clientRef": recipient.client_ref,
            "requestStatusCode": code, "requestStatusName": name, "requestStatusDesc": why,
        }));
        if !id.is_empty() {
            let message = message(account, body, shared, recipient, &id, &request_id, now);
            flow::accept(&wire, message, effects.outcome.clone()).await;
            accepted.push(id);
        }
    }
    let answer = json!({
        "requestId": request_id, "requestTime": now, "statusCode": "202", "statusName": "success", "messages": items,
    });
    Answer {
        accepted,
        ..Answer::json(StatusCode::ACCEPTED, &answer)
    }
}

fn message(
    account: &CloudMsgAccount,
    body: &SendBody,
    shared: &Shared,
    recipient: &Recipient,
    id: &str,
    request_id: &str,
    now: i64,
) -> Message {
    let title = if shared.channel == Channel::Alimtalk {
        &body.title
    } else {
        &body.subject
    };
    Message {
        message_id: id.to_owned(),
        request_id: Some(request_id.to_owned()),
        account: account.service_id.clone(),
        reference: recipient.client_ref.clone(),
        idempotency_key: None,
        channel: shared.channel,
        to: recipient.to.clone().unwrap_or_default(),
        from: body.from.clone(),
        subject: recipient.subject.clone().or_else(|| title.clone()),
        text: recipient
            .content
            .clone()
            .or_else(|| body.content.clone())
            .unwrap_or_default(),
        images: shared.images.clone(),
        buttons: shared.buttons.clone(),
        template_code: body
            .template_code
            .clone()
            .filter(|_| shared.channel == Channel::Alimtalk),
        advertisement: shared.advertisement,
        fallback_plan: shared.fallback.clone(),
        fallback_message_id: None,
        fallback_of: None,
        state: State::Accepted,
        carrier: None,
        accepted_at: now,
        updated_at: now,
        completed_at: None,
    }
}

fn check_shared(
    vendor: &Arc<CloudMsg>,
    account: &CloudMsgAccount,
    body: &SendBody,
) -> Result<Shared, Refusal> {
    let channel = match body.kind.as_deref() {
        Some("SMS") => Channel::Sms,
        Some("LMS") => Channel::Lms,
        Some("MMS") => Channel::Mms,
        Some("ALIMTALK") => Channel::Alimtalk,
        _ => return Err(Refusal::new("100", "type: SMS, LMS, MMS or ALIMTALK")),
    };
    let advertisement = match body.content_type.as_deref() {
        None | Some("COMM") => false,
        Some("AD") => true,
        Some(_) => return Err(Refusal::new("100", "contentType: COMM or AD")),
    };
    let count = body.messages.as_ref().map_or(0, Vec::len);
    if !(1..=100).contains(&count) {
        return Err(Refusal::new("100", "messages: 1 to 100 recipients"));
    }
    check_sender(account, channel, body.from.as_deref())?;
    let content = body.content.as_deref().unwrap_or_default();
    if content.is_empty() {
        return Err(Refusal::new("100", "content: must not be empty"));
    }
    check_text(channel, content, body.subject.as_deref())?;
    if advertisement && !obeys_advertisement_rules(content) {
        return Err(Refusal::new(
            "1008",
            "an advertisement begins with (광고) and names a free 080 number",
        ));
    }
    let images = check_files(
        vendor,
        account,
        channel,
        body.files.as_deref().unwrap_or_default(),
    )?;
    let fallback = match channel {
        Channel::Alimtalk => alimtalk::check(account, body, content)?,
        _ => None,
    };
    let buttons = body
        .buttons
        .as_ref()
        .map_or(Value::Null, |buttons| json!(buttons));
    Ok(Shared {
        channel,
        advertisement,
        images,
        fallback,
        buttons,
    })
}

fn check_sender(
    account: &CloudMsgAccount,
    channel: Channel,
    from: Option<&str>,
) -> Result<(), Refusal> {
    match from {
        None if channel == Channel::Alimtalk => Ok(()),
        None => Err(Refusal::new("100", "from: required")),
        Some(from) if !phone::is_sender(from) => {
            Err(Refusal::new("1001", "from: 8 to 11 national digits"))
        }
        Some(from) if !account.has_sender(from) => {
            Err(Refusal::new("1004", "from: not registered"))
        }
        Some(_) => Ok(()),
    }
}

/// Length and encoding of a text and its subject; also used for the failover.
pub(super) fn check_text(
    channel: Channel,
    content: &str,
    subject: Option<&str>,
) -> Result<(), Refusal> {
    if channel == Channel::Alimtalk {
        let fits = content.chars().count() <= 1000;
        return if fits {
            Ok(())
        } else {
            Err(Refusal::new("1002", "content: more than 1000 characters"))
        };
    }
    let limit = if channel == Channel::Sms { 90 } else { 2000 };
    check_bytes("content", content, limit)?;
    match subject {
        Some(subject) if channel != Channel::Sms => check_bytes("subject", subject, 40),
        _ => Ok(()),
    }
}

fn check_bytes(field: &str, text: &str, limit: usize) -> Result<(), Refusal> {
    match cp949::byte_length(text) {
        None => Err(Refusal::new(
            "1003",
            format!("{field}: holds a character that CP949 does not have"),
        )),
        Some(bytes) if bytes > limit => Err(Refusal::new(
            "1002",
            format!("{field}: {bytes} bytes, at most {limit} allowed"),
        )),
        Some(_) => Ok(()),
    }
}

fn obeys_advertisement_rules(content: &str) -> bool {
    content.starts_with("(광고)") && content.contains("080")
}

fn check_files(
    vendor: &Arc<CloudMsg>,
    account: &CloudMsgAccount,
    channel: Channel,
    files: &[FileReference],
) -> Result<Vec<ImageFacts>, Refusal> {
    match (channel, files.len()) {
        (Channel::Mms, 1..=3) => {}
        (Channel::Mms, _) => return Err(Refusal::new("100", "files: an MMS has 1 to 3")),
        (_, 0) => return Ok(Vec::new()),
        _ => return Err(Refusal::new("100", "files: only an MMS has files")),
    }
    let now = vendor.core.clock.now_ms();
    let kept = locked(&vendor.files);
    files
        .iter()
        .map(|file| {
            kept.get(&account.service_id, &file.file_id, now)
                .ok_or_else(|| Refusal::new("2004", format!("files: {} has expired", file.file_id)))
        })
        .collect()
}

fn check_recipient(
    account: &CloudMsgAccount,
    shared: &Shared,
    body: &SendBody,
    recipient: &Recipient,
    index: usize,
    effects: &Effects,
) -> Result<(), Refusal> {
    let to = recipient.to.as_deref().unwrap_or_default();
    if let Some(code) = effects.refusal_of(index, to) {
        return Err(Refusal::new(
            code,
            "a scripted fault refused this recipient",
        ));
    }
    if !phone::is_recipient(to) || is_refused_number(to) {
        return Err(Refusal::new("1001", "to: not a number that can receive"));
    }
    if let Some(reference) = recipient.client_ref.as_deref() {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if reference.is_empty() || reference.len() > 64 || !reference.bytes().all(allowed) {
            return Err(Refusal::new(
                "100",
                "clientRef: 1 to 64 of A-Z, a-z, 0-9, dot, underscore and hyphen",
            ));
        }
    }
    if recipient.content.is_none() && recipient.subject.is_none() {
        return Ok(());
    }
    let content = recipient
        .content
        .as_deref()
        .or(body.content.as_deref())
        .unwrap_or_default();
    check_text(shared.channel, content, recipient.subject.as_deref())?;
    match shared.channel {
        Channel::Alimtalk => alimtalk::check(account, body, content).map(|_| ()),
        _ => Ok(()),
    }
}

/// Fields that the document does not know.
fn warnings(body: &SendBody) -> Vec<String> {
    let top = body
        .unknown
        .keys()
        .map(|name| format!("unknown field {name}"));
    let recipients = body
        .messages
        .iter()
        .flatten()
        .flat_map(|recipient| recipient.unknown.keys());
    top.chain(recipients.map(|name| format!("unknown field messages.{name}")))
        .collect()
}
