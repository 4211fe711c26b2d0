//! `POST /v1/sms`, and the rules for advertisements that MMS shares.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::account::SendTalkAccount;
use super::errors::Refusal;
use super::send::{Draft, check_bytes, check_from, check_reference, check_to, required};
use crate::clock::is_night;
use crate::message::Channel;

/// Marks a send as an advertisement.
#[derive(Debug, Deserialize)]
pub(super) struct Advertisement {
    opt_out_number: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    to: Option<String>,
    from: Option<String>,
    text: Option<String>,
    reference: Option<String>,
    ad: Option<Advertisement>,
    #[serde(flatten)]
    unknown: BTreeMap<String, IgnoredAny>,
}

/// Judges an SMS.
pub(super) fn check(account: &SendTalkAccount, payload: Value, now_ms: i64) -> Result<Draft, Refusal> {
    let payload: Payload = serde_json::from_value(payload).map_err(|error| Refusal::new(-2018, error.to_string()))?;
    let to = required(payload.to, "to")?;
    let from = required(payload.from, "from")?;
    let text = required(payload.text, "text")?;
    check_to(&to)?;
    check_from(account, &from)?;
    check_bytes(&text, "text", 90)?;
    check_reference(payload.reference.as_deref())?;
    check_advertisement(account, payload.ad.as_ref(), &to, &text, now_ms)?;
    Ok(Draft {
        channel: Channel::Sms,
        to,
        from: Some(from),
        subject: None,
        text,
        reference: payload.reference,
        images: Vec::new(),
        buttons: Value::Null,
        template_code: None,
        advertisement: payload.ad.is_some(),
        fallback: None,
        unknown: payload.unknown.into_keys().collect(),
    })
}

/// −6001 opted out, −6003 text, −6010 night hours.
pub(super) fn check_advertisement(
    account: &SendTalkAccount,
    ad: Option<&Advertisement>,
    to: &str,
    text: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    let Some(ad) = ad else { return Ok(()) };
    let opt_out = ad.opt_out_number.as_deref().unwrap_or_default();
    if opt_out.is_empty() {
        return Err(Refusal::new(-2018, "ad.opt_out_number is missing"));
    }
    if !text.starts_with("(광고)") {
        return Err(Refusal::new(-6003, "an advertisement begins with (광고)"));
    }
    if account.opted_out.iter().any(|number| number == to) {
        return Err(Refusal::new(-6001, "the recipient has opted out"));
    }
    if is_night(now_ms) {
        return Err(Refusal::new(-6010, "no advertisements from 21:00 to 08:00"));
    }
    Ok(())
}
