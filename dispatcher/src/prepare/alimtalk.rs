//! Kakao Alimtalk.

use std::collections::BTreeMap;

use switchboard_providers::model::{Button, ButtonType, Channel, TemplateError, TextKind, is_stray, normalize, render};

use super::{
    Draft, Envelope, Invalid, Oversize, Violation, Violations, envelope, fingerprint::Digest, sender, text::measure,
};
use crate::message::{AlimtalkContent, Content, FallbackText};

/// An Alimtalk as a caller gave it.
#[derive(Default)]
pub struct AlimtalkRequest {
    /// What every request has.
    pub envelope: Envelope,
    /// Kakao channel or sender profile; empty: the account's.
    pub sender_profile: String,
    /// Code of the template.
    pub template_code: String,
    /// Template text with `#{name}` placeholders.
    pub content: String,
    /// Values of the placeholders.
    pub variables: BTreeMap<String, String>,
    /// Emphasised title.
    pub title: String,
    /// Buttons; `None` for one whose type is not given.
    pub buttons: Vec<Option<Button>>,
    /// What is sent when it finally fails.
    pub fallback: Option<FallbackRequest>,
}

/// The text in place of a failed Alimtalk, as a caller gave it.
#[derive(Default)]
pub struct FallbackRequest {
    /// Sender as typed; empty: the account's default.
    pub sender: String,
    /// Subject of an LMS.
    pub subject: String,
    /// The text.
    pub text: String,
    /// What happens to a text longer than an SMS.
    pub oversize: Oversize,
}

/// Longest template code (SendTalk interface document, Send).
const LONGEST_TEMPLATE_CODE: usize = 30;
/// Buttons at most (both vendors' documents).
const MOST_BUTTONS: usize = 5;
/// Longest button name, in characters (CloudMsg interface document, Send).
const LONGEST_BUTTON_NAME: usize = 14;

/// Prepares an Alimtalk.
///
/// # Errors
///
/// All that is wrong with it.
pub fn alimtalk(request: AlimtalkRequest) -> Result<Draft, Invalid> {
    let mut violations = Violations::default();
    let to = envelope(&request.envelope, &mut violations);
    let code_length = request.template_code.chars().count();
    if code_length == 0 || code_length > LONGEST_TEMPLATE_CODE {
        violations.add(
            Violation::Template,
            "template_code",
            "names no template: give the code of the approved template, at most 30 characters",
        );
    }
    let content = normalize(&request.content);
    let rendered = render_checked(&content, &request.variables, &mut violations);
    let buttons = buttons(request.buttons, &mut violations);
    let fallback = request.fallback.map(|fallback| fallback_text(&fallback, &mut violations));
    let parts = to.zip(rendered).zip(match fallback {
        None => Some(None),
        Some(None) => None,
        Some(Some(fallback)) => Some(Some(fallback)),
    });
    let ((to, rendered), fallback) = violations.finish(parts)?;

    let content = AlimtalkContent {
        rendered,
        sender_profile: request.sender_profile,
        template_code: request.template_code,
        content,
        variables: request.variables,
        title: normalize(&request.title),
        buttons,
        fallback,
    };
    let content = Content::Alimtalk(content);
    let mut digest = Digest::new("alimtalk");
    digest.text(to.e164());
    digest.text(content.body());
    digest.text(&content.details());
    Ok(Draft {
        organization_id: request.envelope.organization_id,
        request_id: request.envelope.request_id,
        fingerprint: digest.finish(),
        labels: request.envelope.labels,
        channel: Channel::Alimtalk,
        to,
        sender: None,
        content,
        held_back: None,
    })
}

fn render_checked(content: &str, variables: &BTreeMap<String, String>, violations: &mut Violations) -> Option<String> {
    if content.trim().is_empty() {
        violations.add(Violation::TextEmpty, "content", "is empty: give the text of the approved template");
        return None;
    }
    match render(content, variables) {
        Err(errors) => {
            for error in errors {
                let (kind, field) = match &error {
                    TemplateError::TooLong => (Violation::TextTooLong, "content".to_owned()),
                    TemplateError::Unclosed(_) => (Violation::Template, "content".to_owned()),
                    TemplateError::MissingVariable(name) | TemplateError::UnknownVariable(name) => {
                        (Violation::Template, format!("variables[{name:?}]"))
                    }
                };
                violations.add(kind, field, error.to_string());
            }
            None
        }
        Ok(rendered) => match rendered.chars().position(is_stray) {
            Some(index) => {
                let remedy = format!("has a control character at position {} once rendered: remove it", index + 1);
                violations.add(Violation::Unencodable, "content", remedy);
                None
            }
            None => Some(rendered),
        },
    }
}

fn buttons(buttons: Vec<Option<Button>>, violations: &mut Violations) -> Vec<Button> {
    if buttons.len() > MOST_BUTTONS {
        violations.add(
            Violation::Button,
            "buttons",
            format!("has {} entries: give at most {MOST_BUTTONS}", buttons.len()),
        );
    }
    let mut checked = Vec::with_capacity(buttons.len());
    for (index, button) in buttons.into_iter().enumerate() {
        let mut wrong = |field: &str, description: &str| {
            violations.add(Violation::Button, format!("buttons[{index}].{field}"), description);
        };
        let Some(button) = button else {
            wrong(
                "type",
                "is not given: use WEB_LINK, APP_LINK, DELIVERY_TRACKING, BOT_KEYWORD, MESSAGE_DELIVERY or CHANNEL_ADD",
            );
            continue;
        };
        let name = button.name.chars().count();
        if name == 0 || name > LONGEST_BUTTON_NAME {
            wrong("name", "has no or more than 14 characters: give a short label");
        }
        let links = [&button.mobile_url, &button.ios_scheme, &button.android_scheme];
        let given = links.iter().filter(|link| !link.is_empty()).count();
        match button.kind {
            ButtonType::WebLink if button.mobile_url.is_empty() => wrong("mobile_url", "is required for a WEB_LINK"),
            ButtonType::AppLink if given < 2 => {
                wrong("mobile_url", "an APP_LINK needs two of mobile_url, ios_scheme and android_scheme");
            }
            _ => {}
        }
        checked.push(button);
    }
    checked
}

fn fallback_text(request: &FallbackRequest, violations: &mut Violations) -> Option<FallbackText> {
    let sender = sender(&request.sender, "fallback.sender", violations);
    let fields = ["fallback.text", "fallback.subject"];
    let measured = measure(&request.text, &request.subject, request.oversize, fields, violations)?;
    Some(FallbackText {
        sender: sender.map_or_else(String::new, |sender| sender.as_str().to_owned()),
        subject: measured.subject,
        text: measured.text,
        lms: measured.kind == TextKind::Lms,
        by_vendor: false,
    })
}
