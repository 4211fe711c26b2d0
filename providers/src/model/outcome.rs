//! What a send came to.
//!
//! The distinction that everything rests on: a [`Refusal`] *proves* that the vendor did not accept the message, so it may
//! be sent again or fail over; [`SendOutcome::InDoubt`] proves nothing, so it may not.

use std::{slice, time::Duration};

use chrono::{DateTime, Utc};

use super::Failure;

/// What a send came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The vendor has taken the message.
    Accepted(Acceptance),
    /// The vendor has certainly not taken the message.
    Refused(Refusal),
    /// The vendor was called and may or may not have taken the message: a timeout, a reset after the request was
    /// written, an ambiguous 5xx, an answer that cannot be read.
    InDoubt(Failure),
}

/// What a call came to that carried several messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// Each its own, in the order in which they were given.
    Each(Vec<SendOutcome>),
    /// The same for all. A refusal proves that none was taken; one by the fault of a message or of the account does not
    /// say whose.
    All(SendOutcome),
}

impl CallOutcome {
    /// What there is to know: of each message, or once for all.
    pub fn outcomes(&self) -> &[SendOutcome] {
        match self {
            Self::Each(outcomes) => outcomes,
            Self::All(outcome) => slice::from_ref(outcome),
        }
    }
}

/// The vendor's receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The vendor's id, an opaque string kept exactly as it came.
    pub provider_message_id: String,
    /// When the vendor says it accepted the message, where it says.
    pub accept_time: Option<DateTime<Utc>>,
}

/// A failure that proves that the message was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub failure: Failure,
    /// Who would have to mend it.
    pub fault: Fault,
    /// When the vendor asked to be left alone until, counted from now.
    pub retry_after: Option<Duration>,
}

/// Who would have to mend a refusal. Decides about fail-over and the vendor's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The message itself: number, text, template. Never counts against the vendor, never fails over.
    Message,
    /// The vendor account: key, permission, balance, quota, sender registration. Another vendor may well take the message.
    Account,
    /// The vendor: throttled, overloaded, unreachable. Counts against its health.
    Vendor,
}
