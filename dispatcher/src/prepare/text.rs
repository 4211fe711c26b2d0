//! SMS and LMS.

use chrono::{DateTime, Utc};
use switchboard_providers::model::{Channel, LMS_BYTES, SMS_BYTES, SUBJECT_BYTES, TextKind, cp949_len, normalize};

use super::{AdRules, Draft, Envelope, Invalid, Violation, Violations, envelope, fingerprint::Digest, sender};
use crate::message::{Content, TextContent};

/// What happens to a text longer than an SMS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oversize {
    /// It goes as an LMS.
    #[default]
    UpgradeToLms,
    /// It is refused.
    Reject,
}

/// A text as a caller typed it.
#[derive(Default)]
pub struct TextRequest {
    /// What every request has.
    pub envelope: Envelope,
    /// Sender as typed; empty: the account's default.
    pub sender: String,
    /// The text.
    pub text: String,
    /// Subject of an LMS.
    pub subject: String,
    /// Whether it is an advertisement.
    pub advertisement: bool,
    /// What happens to a text longer than an SMS.
    pub oversize: Oversize,
}

/// A text that fits.
pub(super) struct Measured {
    pub(super) text: String,
    pub(super) subject: String,
    pub(super) kind: TextKind,
}

/// Prepares an SMS or LMS.
///
/// # Errors
///
/// All that is wrong with it.
pub fn sms(request: TextRequest, rules: AdRules, now: DateTime<Utc>) -> Result<Draft, Invalid> {
    let mut violations = Violations::default();
    let to = envelope(&request.envelope, &mut violations);
    let sender = sender(&request.sender, "sender", &mut violations);
    let measured = measure(&request.text, &request.subject, request.oversize, ["text", "subject"], &mut violations);
    let opt_out_number = match &measured {
        Some(measured) if request.advertisement => AdRules::check(&measured.text, &mut violations),
        _ => None,
    };
    let held_back = if request.advertisement { rules.hold_back(now, &mut violations) } else { None };
    let (to, measured) = violations.finish(to.zip(measured))?;

    let mut digest = Digest::new("sms");
    digest.text(to.e164());
    digest.text(sender.as_ref().map_or("", |sender| sender.as_str()));
    digest.text(&measured.text);
    digest.text(&measured.subject);
    digest.text(opt_out_number.as_deref().unwrap_or_default());

    Ok(Draft {
        organization_id: request.envelope.organization_id,
        request_id: request.envelope.request_id,
        fingerprint: digest.finish(),
        labels: request.envelope.labels,
        channel: Channel::from(measured.kind),
        to,
        sender,
        content: Content::Text(TextContent { text: measured.text, subject: measured.subject, opt_out_number }),
        held_back,
    })
}

/// Normalises and measures a text and its subject.
pub(super) fn measure(
    text: &str,
    subject: &str,
    oversize: Oversize,
    fields: [&str; 2],
    violations: &mut Violations,
) -> Option<Measured> {
    let text = normalize(text);
    if text.trim().is_empty() {
        violations.add(Violation::TextEmpty, fields[0], "is empty: give a text to send");
    }
    let kind = match cp949_len(&text) {
        Err(error) => {
            violations.add(Violation::Unencodable, fields[0], error.to_string());
            None
        }
        Ok(bytes) if bytes <= SMS_BYTES => Some(TextKind::Sms),
        Ok(bytes) if oversize == Oversize::Reject => {
            let remedy =
                format!("has {bytes} bytes in CP949, an SMS holds {SMS_BYTES}: shorten it or allow UPGRADE_TO_LMS");
            violations.add(Violation::TextTooLong, fields[0], remedy);
            None
        }
        Ok(bytes) if bytes > LMS_BYTES => {
            let remedy = format!("has {bytes} bytes in CP949, an LMS holds {LMS_BYTES}: shorten it");
            violations.add(Violation::TextTooLong, fields[0], remedy);
            None
        }
        Ok(_) => Some(TextKind::Lms),
    };
    let subject = measure_subject(subject, fields[1], violations);
    Some(Measured { text, subject: subject?, kind: kind? })
}

/// Normalises and measures a subject.
pub(super) fn measure_subject(subject: &str, field: &str, violations: &mut Violations) -> Option<String> {
    let subject = normalize(subject);
    match cp949_len(&subject) {
        Ok(bytes) if bytes <= SUBJECT_BYTES => Some(subject),
        Ok(bytes) => {
            violations.add(
                Violation::TextTooLong,
                field,
                format!("has {bytes} bytes in CP949, a subject holds {SUBJECT_BYTES}: shorten it"),
            );
            None
        }
        Err(error) => {
            violations.add(Violation::Unencodable, field, error.to_string());
            None
        }
    }
}
