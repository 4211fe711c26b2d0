//! `POST /v1/alimtalk`: template and variables in, the vendor renders.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::account::SendTalkAccount;
use super::errors::Refusal;
use super::send::{Draft, check_bytes, check_from, check_reference, check_to, required};
use crate::message::{Channel, FallbackPlan};
use crate::template::Template;

#[derive(Debug, Deserialize)]
struct Payload {
    sender_profile_key: Option<String>,
    template_code: Option<String>,
    to: Option<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    buttons: Vec<Value>,
    reference: Option<String>,
    fallback: Option<Fallback>,
    #[serde(flatten)]
    unknown: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Fallback {
    mode: Option<String>,
    from: Option<String>,
    title: Option<String>,
    text: Option<String>,
}

/// Links for a registered button; nothing else of it can be given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Button {
    order: usize,
    mobile_url: Option<String>,
    pc_url: Option<String>,
    ios_scheme: Option<String>,
    android_scheme: Option<String>,
}

/// Judges an Alimtalk and renders it.
pub(super) fn check(account: &SendTalkAccount, payload: Value) -> Result<Draft, Refusal> {
    let payload: Payload = serde_json::from_value(payload).map_err(|error| Refusal::new(-2018, error.to_string()))?;
    let key = required(payload.sender_profile_key, "sender_profile_key")?;
    let code = required(payload.template_code, "template_code")?;
    let to = required(payload.to, "to")?;
    check_to(&to)?;
    check_reference(payload.reference.as_deref())?;
    let profile = account.sender_profiles.iter().find(|profile| profile.key.eq_ignore_ascii_case(&key));
    let profile = profile.ok_or_else(|| Refusal::new(-2017, "the sender profile key is not of this account"))?;
    if code.chars().count() > 30 {
        return Err(Refusal::new(-2015, "template_code has more than 30 characters"));
    }
    let template = profile.templates.iter().find(|template| template.code == code);
    let template = template.ok_or_else(|| Refusal::new(-3003, format!("there is no template {code}")))?;
    if !template.approved {
        return Err(Refusal::new(-3005, format!("the template {code} is not approved")));
    }
    let text = template.render(&payload.variables).map_err(|why| Refusal::new(-3004, why))?;
    if text.chars().count() > 1000 {
        return Err(Refusal::new(-2015, "the rendered text has more than 1000 characters"));
    }
    for button in &payload.buttons {
        check_button(template, button)?;
    }
    let fallback = payload.fallback.map_or(Ok(None), |fallback| plan(account, fallback))?;
    Ok(Draft {
        channel: Channel::Alimtalk,
        to,
        from: None,
        subject: None,
        text,
        reference: payload.reference,
        images: Vec::new(),
        buttons: Value::Array(payload.buttons),
        template_code: Some(code),
        advertisement: false,
        fallback,
        unknown: payload.unknown.into_keys().collect(),
    })
}

fn check_button(template: &Template, button: &Value) -> Result<(), Refusal> {
    let button = Button::deserialize(button)
        .map_err(|error| Refusal::new(-3010, format!("buttons only fill in links: {error}")))?;
    let registered = button.order.checked_sub(1).and_then(|index| template.buttons.get(index));
    let registered =
        registered.ok_or_else(|| Refusal::new(-3010, format!("the template has no button {}", button.order)))?;
    let web = |link: &str| link.starts_with("https://") || link.starts_with("http://");
    if [&button.mobile_url, &button.pc_url].into_iter().flatten().any(|link| !web(link)) {
        return Err(Refusal::new(-3006, format!("a link of button {} is not http or https", button.order)));
    }
    let scheme = |link: &str| link.contains("://");
    if [&button.ios_scheme, &button.android_scheme].into_iter().flatten().any(|link| !scheme(link)) {
        return Err(Refusal::new(-3006, format!("a scheme of button {} is not one", button.order)));
    }
    if registered.kind == "WL" && registered.link_mobile.is_none() && button.mobile_url.is_none() {
        return Err(Refusal::new(-3006, format!("button {} needs mobile_url", button.order)));
    }
    Ok(())
}

fn plan(account: &SendTalkAccount, fallback: Fallback) -> Result<Option<FallbackPlan>, Refusal> {
    let (channel, limit) = match fallback.mode.as_deref() {
        None | Some("none") => return Ok(None),
        Some("sms") => (Channel::Sms, 90),
        Some("lms") => (Channel::Lms, 2000),
        Some(_) => return Err(Refusal::new(-2018, "fallback.mode is none, sms or lms")),
    };
    let from = required(fallback.from, "fallback.from")?;
    check_from(account, &from)?;
    let text = required(fallback.text, "fallback.text")?;
    check_bytes(&text, "fallback.text", limit)?;
    check_bytes(fallback.title.as_deref().unwrap_or_default(), "fallback.title", 40)?;
    Ok(Some(FallbackPlan { channel, from, subject: fallback.title, text }))
}
