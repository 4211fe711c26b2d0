//! The rules of a send (interface document, "Send"): those of the whole call, and those of each recipient.

use std::sync::Arc;

use serde_json::{Value, json};

use super::CloudMsg;
use super::account::CloudMsgAccount;
use super::alimtalk;
use super::body::{FileReference, Recipient, SendBody};
use super::errors::Refusal;
use crate::core::{Effects, locked};
use crate::cp949;
use crate::message::{Channel, FallbackPlan, ImageFacts};
use crate::outcome::is_refused_number;
use crate::phone;

/// What all recipients of a call share, once it was found in order.
pub(super) struct Shared {
    pub(super) channel: Channel,
    pub(super) advertisement: bool,
    pub(super) images: Vec<ImageFacts>,
    pub(super) fallback: Option<FallbackPlan>,
    pub(super) buttons: Value,
}

/// Judges what all recipients share.
pub(super) fn check_shared(
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
    check_advertisement(advertisement, content)?;
    let images = check_files(vendor, account, channel, body.files.as_deref().unwrap_or_default())?;
    let fallback = match channel {
        Channel::Alimtalk => alimtalk::check(account, body, content)?,
        _ => None,
    };
    let buttons = body.buttons.as_ref().map_or(Value::Null, |buttons| json!(buttons));
    Ok(Shared { channel, advertisement, images, fallback, buttons })
}

fn check_sender(account: &CloudMsgAccount, channel: Channel, from: Option<&str>) -> Result<(), Refusal> {
    match from {
        None if channel == Channel::Alimtalk => Ok(()),
        None => Err(Refusal::new("100", "from: required")),
        Some(from) if !phone::is_sender(from) => Err(Refusal::new("1001", "from: 8 to 11 national digits")),
        Some(from) if !account.has_sender(from) => Err(Refusal::new("1004", "from: not registered")),
        Some(_) => Ok(()),
    }
}

/// Length and encoding of a text and its subject; also used for the failover.
pub(super) fn check_text(channel: Channel, content: &str, subject: Option<&str>) -> Result<(), Refusal> {
    if channel == Channel::Alimtalk {
        let fits = content.chars().count() <= 1000;
        return if fits { Ok(()) } else { Err(Refusal::new("1002", "content: more than 1000 characters")) };
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
        None => Err(Refusal::new("1003", format!("{field}: holds a character that CP949 does not have"))),
        Some(bytes) if bytes > limit => {
            Err(Refusal::new("1002", format!("{field}: {bytes} bytes, at most {limit} allowed")))
        }
        Some(_) => Ok(()),
    }
}

fn check_advertisement(advertisement: bool, content: &str) -> Result<(), Refusal> {
    if advertisement && !(content.starts_with("(광고)") && content.contains("080")) {
        let why = "an advertisement begins with (광고) and names a free 080 number";
        return Err(Refusal::new("1008", why));
    }
    Ok(())
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

/// Judges one recipient; returns what the vendor does if its Alimtalk fails.
pub(super) fn check_recipient(
    account: &CloudMsgAccount,
    shared: &Shared,
    body: &SendBody,
    recipient: &Recipient,
    index: usize,
    effects: &Effects,
) -> Result<Option<FallbackPlan>, Refusal> {
    let to = recipient.to.as_deref().unwrap_or_default();
    if let Some(code) = effects.refusal_of(index, to) {
        return Err(Refusal::new(code, "a scripted fault refused this recipient"));
    }
    if !phone::is_recipient(to) || is_refused_number(to) {
        return Err(Refusal::new("1001", "to: not a number that can receive"));
    }
    if let Some(reference) = recipient.client_ref.as_deref() {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if reference.is_empty() || reference.len() > 64 || !reference.bytes().all(allowed) {
            return Err(Refusal::new("100", "clientRef: 1 to 64 of A-Z, a-z, 0-9, dot, underscore and hyphen"));
        }
    }
    if recipient.content.is_none() && recipient.subject.is_none() {
        return Ok(shared.fallback.clone());
    }
    let content = recipient.content.as_deref().or(body.content.as_deref()).unwrap_or_default();
    check_text(shared.channel, content, recipient.subject.as_deref())?;
    check_advertisement(shared.advertisement, content)?;
    match shared.channel {
        Channel::Alimtalk => alimtalk::check(account, body, content),
        _ => Ok(None),
    }
}
