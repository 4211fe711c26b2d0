//! One line of a message's timeline.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use switchboard_providers::model::Failure;

use super::{Message, Status};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EventKind {
    /// Written to the history.
    Recorded,
    /// The vendor answered that it has the message.
    Accepted,
    /// The vendor answered that it does not take the message.
    Refused,
    /// The vendor was called and the outcome is not known.
    InDoubt,
    /// The vendor reported, and the message moved.
    Reported,
    /// The vendor reported what the message is already past.
    Stale,
    /// The vendor reported another final result than the first.
    Conflict,
    /// The vendor reported a word that no document names.
    UnknownStatus,
    /// Another vendor was chosen, since the first certainly does not have the message.
    Failover,
    /// A text was sent in its place.
    Fallback,
    /// The vendor was proved not to have it, and is asked once more.
    Resent,
    /// The vendor was asked.
    LookedUp,
    /// The result horizon passed.
    Unresolved,
}

impl EventKind {
    /// The word in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "RECORDED",
            Self::Accepted => "ACCEPTED",
            Self::Refused => "REFUSED",
            Self::InDoubt => "IN_DOUBT",
            Self::Reported => "REPORTED",
            Self::Stale => "STALE",
            Self::Conflict => "CONFLICT",
            Self::UnknownStatus => "UNKNOWN_STATUS",
            Self::Failover => "FAILOVER",
            Self::Fallback => "FALLBACK",
            Self::Resent => "RESENT",
            Self::LookedUp => "LOOKED_UP",
            Self::Unresolved => "UNRESOLVED",
        }
    }
}

/// One line of a message's timeline. Short names: it is stored with every message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    #[serde(rename = "k")]
    pub kind: EventKind,
    /// The status after it.
    #[serde(rename = "s", with = "status_word")]
    pub status: Status,
    /// When, by the clock of whoever says so.
    #[serde(rename = "o", with = "chrono::serde::ts_microseconds")]
    pub occur_time: DateTime<Utc>,
    /// When it was written down.
    #[serde(rename = "r", with = "chrono::serde::ts_microseconds")]
    pub record_time: DateTime<Utc>,
    /// The vendor concerned; empty: none.
    #[serde(rename = "p", default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// One sentence for a person; no personal data.
    #[serde(rename = "d", default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The failure it brought.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl Message {
    /// Adds a line that happened just now.
    pub(crate) fn note(
        &mut self,
        kind: EventKind,
        at: DateTime<Utc>,
        detail: impl Into<String>,
        failure: Option<Failure>,
    ) {
        let event = Event {
            kind,
            status: self.state.status(),
            occur_time: at,
            record_time: at,
            provider: self.route.provider.clone(),
            detail: detail.into(),
            failure,
        };
        self.push(event);
    }
}

mod status_word {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Status;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(status.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
        let word = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        word.parse().map_err(D::Error::custom)
    }
}
