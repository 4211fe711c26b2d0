//! From what a caller typed to a message that any vendor can take: normalised, measured, complete. Every violation is
//! told, not only the first, and none of it depends on the vendor.

mod advertisement;
mod alimtalk;
mod fingerprint;
mod mms;
mod text;
mod violation;

use std::collections::BTreeMap;

use switchboard_providers::model::{Channel, PhoneNumber, Sender};

use crate::{message::Content, store::Fingerprint};

pub use advertisement::AdRules;
pub use alimtalk::{AlimtalkRequest, FallbackRequest, alimtalk};
pub use mms::{ImageRequest, mms};
pub use text::{Oversize, TextRequest, sms};
pub use violation::{Fault, Invalid, Violation, Violations};

/// What every request has.
#[derive(Default)]
pub struct Envelope {
    /// Whom it is sent for.
    pub organization_id: String,
    /// Idempotency key; empty: none.
    pub request_id: String,
    /// Recipient as typed.
    pub to: String,
    /// The caller's labels.
    pub labels: BTreeMap<String, String>,
}

/// A request that is fit to be sent.
pub struct Draft {
    /// Whom it is sent for.
    pub organization_id: String,
    /// Idempotency key; empty: none.
    pub request_id: String,
    /// Over the content, so that a request id is not used for two.
    pub fingerprint: Fingerprint,
    /// The caller's labels.
    pub labels: BTreeMap<String, String>,
    /// Its kind.
    pub channel: Channel,
    /// Recipient.
    pub to: PhoneNumber,
    /// Sender; `None`: the account's default.
    pub sender: Option<Sender>,
    /// What it says.
    pub content: Content,
    /// Why it may not be sent now, although nothing is wrong with it: a request made before is still answered.
    pub held_back: Option<Invalid>,
}

/// Longest request id and label, in characters.
const LONGEST_ID: usize = 64;
/// Labels at most.
const MOST_LABELS: usize = 16;

/// Checks what every request has; the recipient, if it is one.
fn envelope(envelope: &Envelope, violations: &mut Violations) -> Option<PhoneNumber> {
    let length = envelope.organization_id.chars().count();
    if length == 0 {
        violations.add(Violation::Field, "organization_id", "is empty: name the organisation to send for");
    } else if length > LONGEST_ID || envelope.organization_id.chars().any(char::is_control) {
        violations.add(Violation::Field, "organization_id", "is not an organisation id: it has at most 64 characters");
    }
    if envelope.request_id.chars().count() > LONGEST_ID {
        violations.add(Violation::Field, "request_id", "has more than 64 characters: use a UUID, for example");
    } else if envelope.request_id.chars().any(char::is_control) {
        violations.add(Violation::Field, "request_id", "has a control character: use a UUID, for example");
    }
    if envelope.labels.len() > MOST_LABELS {
        violations.add(Violation::Field, "labels", "has more than 16 entries: keep fewer");
    }
    if envelope
        .labels
        .iter()
        .any(|(key, value)| key.is_empty() || key.chars().count() > LONGEST_ID || value.chars().count() > LONGEST_ID)
    {
        violations.add(
            Violation::Field,
            "labels",
            "has an empty key, or a key or value of more than 64 characters: shorten it",
        );
    }
    match PhoneNumber::parse(&envelope.to) {
        Ok(number) => Some(number),
        Err(error) => {
            violations.add(Violation::PhoneNumber, "to", error.to_string());
            None
        }
    }
}

/// Checks a sender; empty is none.
fn sender(typed: &str, field: &str, violations: &mut Violations) -> Option<Sender> {
    if typed.trim().is_empty() {
        return None;
    }
    match Sender::parse(typed) {
        Ok(sender) => Some(sender),
        Err(error) => {
            violations.add(Violation::PhoneNumber, field, error.to_string());
            None
        }
    }
}
