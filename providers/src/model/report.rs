//! What a vendor says about a message after accepting it, by callback or when asked.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Failure;

/// A vendor's status word in our terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReportedStatus {
    /// Accepted, waiting.
    Queued,
    /// With the carrier or Kakao; also "unconfirmed", which is no failure.
    Sent,
    /// Reached the recipient.
    Delivered,
    /// Finally failed.
    Failed,
}

/// One thing a vendor said about one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The vendor's id, as it came.
    pub provider_message_id: String,
    /// Our `message_id` as the vendor gave it back; empty if it did not.
    pub client_reference: String,
    /// `None`: a word that no document names. It is kept, counted, and changes nothing.
    pub status: Option<ReportedStatus>,
    /// The vendor's word as it came, with its code where it has one, such as `COMPLETED/success/0`.
    pub provider_status: String,
    /// Why, when the status is [`ReportedStatus::Failed`].
    pub failure: Option<Failure>,
    /// When it happened, by the vendor's clock.
    pub occur_time: Option<DateTime<Utc>>,
    /// Vendor, vendor's message id, status and time in one string: the same event always has the same key, whether it
    /// comes by callback, by a repeated callback or by a look-up.
    pub event_key: String,
    /// What the vendor's own fallback did, if it speaks of one.
    pub fallback: Option<FallbackReport>,
}

/// What the vendor sent by itself in place of a failed Alimtalk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackReport {
    /// The vendor's id of that text; empty where it gave none.
    pub provider_message_id: String,
    /// Where the text stands; `None` for an unknown word.
    pub status: Option<ReportedStatus>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// What to ask a vendor for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookUp<'a> {
    /// One message by the vendor's id.
    ProviderMessageId(&'a str),
    /// All messages with our reference; more than one where the vendor does not de-duplicate.
    Reference(&'a str),
}

/// Why a look-up gave no answer. Says nothing about the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUpError {
    /// Why.
    pub failure: Failure,
    /// When the vendor asked to be left alone until, counted from now.
    pub retry_after: Option<Duration>,
}
