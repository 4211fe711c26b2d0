//! What an Alimtalk needs besides a text (interface document, "Send").

use serde::{Deserialize, Serialize};

use super::account::{CloudMsgAccount, CloudMsgChannel};
use super::body::SendBody;
use super::errors::Refusal;
use super::rules::check_text;
use crate::cp949;
use crate::message::{Channel, FallbackPlan};
use crate::template::Template;

/// A button as CloudMsg writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Button {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    link_mobile: Option<String>,
    link_pc: Option<String>,
    scheme_ios: Option<String>,
    scheme_android: Option<String>,
}

/// What to send when the Alimtalk fails.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailoverConfig {
    #[serde(rename = "type")]
    kind: Option<String>,
    from: Option<String>,
    subject: Option<String>,
    content: Option<String>,
}

/// Checks channel, template, buttons and failover; returns the vendor's own fallback, if there will be one.
pub(super) fn check(
    account: &CloudMsgAccount,
    body: &SendBody,
    content: &str,
) -> Result<Option<FallbackPlan>, Refusal> {
    let wanted = body.channel_id.as_deref().ok_or_else(|| Refusal::new("100", "channelId: required"))?;
    let code = body.template_code.as_deref().ok_or_else(|| Refusal::new("100", "templateCode: required"))?;
    let channel = account.channels.iter().find(|channel| channel.channel_id == wanted);
    let channel = channel.ok_or_else(|| Refusal::new("1005", "channelId: not a channel of this service"))?;
    let template = channel.templates.iter().find(|template| template.code == code && template.approved);
    let template = template.ok_or_else(|| Refusal::new("1005", format!("templateCode: {code} is not registered")))?;
    if !template.matches(content) {
        return Err(Refusal::new("1006", "content: not the template's text with its placeholders filled in"));
    }
    check_buttons(template, body.buttons.as_deref().unwrap_or_default())?;
    // Left out, the channel's own setting decides.
    if !body.use_sms_failover.unwrap_or(channel.sms_failover) {
        return Ok(None);
    }
    plan(account, channel, body.failover_config.as_ref(), content).map(Some)
}

fn check_buttons(template: &Template, buttons: &[Button]) -> Result<(), Refusal> {
    if buttons.len() > 5 {
        return Err(Refusal::new("1007", "buttons: at most 5"));
    }
    buttons.iter().try_for_each(|button| check_button(template, button))
}

fn check_button(template: &Template, button: &Button) -> Result<(), Refusal> {
    let name = &button.name;
    if name.is_empty() || name.chars().count() > 14 {
        return Err(Refusal::new("1007", format!("buttons: the name {name} is not 1 to 14 characters")));
    }
    let given = [&button.link_mobile, &button.scheme_ios, &button.scheme_android];
    let links = given.iter().filter(|link| link.as_deref().is_some_and(|link| !link.is_empty())).count();
    match button.kind.as_str() {
        "WL" if button.link_mobile.as_deref().is_none_or(str::is_empty) => {
            return Err(Refusal::new("1007", format!("buttons: {name} needs linkMobile")));
        }
        "AL" if links < 2 => {
            let why = format!("buttons: {name} needs two of linkMobile, schemeIos and schemeAndroid");
            return Err(Refusal::new("1007", why));
        }
        "WL" | "AL" | "DS" | "BK" | "MD" | "AC" => {}
        kind => {
            return Err(Refusal::new("1007", format!("buttons: {kind} is not a type")));
        }
    }
    let web = |link: &str| link.starts_with("https://") || link.starts_with("http://");
    if [&button.link_mobile, &button.link_pc].into_iter().flatten().any(|link| !web(link)) {
        return Err(Refusal::new("1007", format!("buttons: the links of {name} must be http or https")));
    }
    let registered = template.buttons.iter().any(|known| known.kind == button.kind && known.name == *name);
    if !registered {
        return Err(Refusal::new("1006", format!("buttons: {name} is not a button of the template")));
    }
    Ok(())
}

fn plan(
    account: &CloudMsgAccount,
    channel: &CloudMsgChannel,
    config: Option<&FailoverConfig>,
    content: &str,
) -> Result<FallbackPlan, Refusal> {
    let text = config.and_then(|config| config.content.as_deref()).unwrap_or(content);
    let subject = config.and_then(|config| config.subject.clone());
    let kind = match config.and_then(|config| config.kind.as_deref()) {
        Some("SMS") => Channel::Sms,
        Some("LMS") => Channel::Lms,
        Some(_) => return Err(Refusal::new("100", "failoverConfig.type: SMS or LMS")),
        None if cp949::byte_length(text).is_some_and(|bytes| bytes <= 90) => Channel::Sms,
        None => Channel::Lms,
    };
    let given = config.and_then(|config| config.from.as_ref());
    if given.is_some_and(|from| !account.has_sender(from)) {
        return Err(Refusal::new("1004", "failoverConfig.from: not registered"));
    }
    let from = given.or(channel.failover_from.as_ref()).or(account.sender_numbers.first()).cloned();
    let from = from.ok_or_else(|| Refusal::new("1004", "failoverConfig.from: this service has no sender"))?;
    // A default text that does not fit is the vendor's own trouble and is cut by it, not refused.
    if config.is_some_and(|config| config.content.is_some()) {
        check_text(kind, text, subject.as_deref())?;
    }
    Ok(FallbackPlan { channel: kind, from, subject, text: text.to_owned() })
}
