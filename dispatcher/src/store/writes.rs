//! What can happen to messages, as the store commits it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Fingerprint;
use crate::message::{Message, Report, Settlement, Status};

/// One thing that happened.
#[derive(Clone)]
pub enum Write {
    /// A message was asked for.
    Record(Box<NewMessage>),
    /// A send came to something.
    Settle {
        /// Which message.
        message_id: String,
        /// What it came to.
        settlement: Settlement,
        /// When.
        at: DateTime<Utc>,
    },
    /// A vendor reported.
    Report(Box<StatusUpdate>),
    /// The vendor was proved not to have a message: it may be sent once more, by whoever still holds the claim.
    Resend {
        /// Which message.
        message_id: String,
        /// The claim (see [`super::Store::claim_due`]); if the message has moved or been claimed since, nothing happens.
        claim: u32,
        /// When.
        at: DateTime<Utc>,
    },
}

/// A message that was asked for.
#[derive(Clone)]
pub struct NewMessage {
    /// The message in its first state.
    pub message: Message,
    /// Over the content of the request, so that a request id is not used for two.
    pub fingerprint: Fingerprint,
}

/// What a vendor reported, and who vouches for it. Serialised while it is parked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusUpdate {
    /// Code of the vendor.
    pub provider: String,
    /// The account whose secret signed it.
    pub provider_account: String,
    /// The organisations whose secret fits; empty: every one that uses the account.
    pub organization_ids: Vec<String>,
    /// Our id, as the vendor gave it back; empty if it did not.
    pub client_reference: String,
    /// The same event always has the same key.
    pub event_key: String,
    /// What it says.
    pub report: Report,
    /// When it came in.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub at: DateTime<Utc>,
}

/// What a write came to.
#[derive(Clone)]
pub enum Written {
    /// The message is recorded, as it is given.
    Recorded(Arc<Message>),
    /// The request id had made this message before, from the same content.
    Existing(Box<Message>),
    /// The request id had been used for another content.
    RequestIdReused {
        /// The message it made.
        message_id: String,
    },
    /// The message as it stands now, and the message that has to be sent in its place.
    Settled {
        /// The message.
        message: Arc<Message>,
        /// Recorded in the same transaction; whoever wrote this sends it.
        fallback: Option<Box<Message>>,
    },
    /// The claim was lost: somebody else is at it, or the message has moved.
    ClaimLost,
    /// There is no such message.
    Missing,
    /// What became of a report.
    Reported {
        /// The outcome.
        outcome: StatusOutcome,
        /// Our id; empty when parked.
        message_id: String,
        /// Where the message stands now; `None` when parked.
        status: Option<Status>,
        /// The message that has to be sent in its place, recorded in the same transaction.
        fallback: Option<Box<Message>>,
        /// Whose message it spoke for without being allowed to; only with [`StatusOutcome::Foreign`].
        spoken_for: Option<SpokenFor>,
    },
}

/// A message that somebody spoke for without being allowed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpokenFor {
    /// Whom it was sent for.
    pub organization_id: String,
    /// Its id.
    pub message_id: String,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusOutcome {
    /// Written, and the message moved or its timeline grew.
    Applied,
    /// This event had been applied before.
    Duplicate,
    /// The transition is not allowed.
    Stale,
    /// No such message yet.
    Parked,
    /// The message belongs to another account: refused, and nothing is kept.
    Foreign,
}
