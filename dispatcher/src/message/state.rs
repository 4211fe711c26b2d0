//! Where a message stands, each state with the facts that belong to it.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use switchboard_providers::model::Failure;

/// Where a message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Recorded; the vendor is not yet known to have it.
    Requested,
    /// The vendor was called and the outcome is not known.
    InDoubt,
    /// Accepted by the vendor.
    Queued(Receipt),
    /// Handed to the carrier or Kakao.
    Sent(Receipt),
    /// Final: arrived.
    Delivered {
        /// The vendor's receipt.
        receipt: Receipt,
        /// When it arrived.
        result_time: DateTime<Utc>,
    },
    /// Final: will not arrive.
    Failed {
        /// The vendor's receipt, if it had accepted the message.
        receipt: Option<Receipt>,
        /// Why.
        failure: Failure,
        /// When it failed.
        result_time: DateTime<Utc>,
    },
    /// No result came within the horizon; a late one still counts.
    Unresolved(Option<Receipt>),
}

/// That the vendor has the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The vendor's id, opaque, exactly as it came.
    pub provider_message_id: String,
    /// When the vendor accepted it, or when we learned that it has.
    pub accept_time: DateTime<Utc>,
}

impl State {
    /// The bare word.
    pub fn status(&self) -> Status {
        match self {
            Self::Requested => Status::Requested,
            Self::InDoubt => Status::InDoubt,
            Self::Queued(_) => Status::Queued,
            Self::Sent(_) => Status::Sent,
            Self::Delivered { .. } => Status::Delivered,
            Self::Failed { .. } => Status::Failed,
            Self::Unresolved(_) => Status::Unresolved,
        }
    }

    /// The vendor's receipt, once there is one.
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Requested | Self::InDoubt => None,
            Self::Queued(receipt) | Self::Sent(receipt) | Self::Delivered { receipt, .. } => Some(receipt),
            Self::Failed { receipt, .. } | Self::Unresolved(receipt) => receipt.as_ref(),
        }
    }

    /// When it became final.
    pub fn result_time(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Delivered { result_time, .. } | Self::Failed { result_time, .. } => Some(*result_time),
            _ => None,
        }
    }

    /// Whether it can never change again.
    pub fn is_final(&self) -> bool {
        self.result_time().is_some()
    }
}

/// The states as bare words: for storage, filters and replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// See [`State::Requested`].
    Requested,
    /// See [`State::InDoubt`].
    InDoubt,
    /// See [`State::Queued`].
    Queued,
    /// See [`State::Sent`].
    Sent,
    /// See [`State::Delivered`].
    Delivered,
    /// See [`State::Failed`].
    Failed,
    /// See [`State::Unresolved`].
    Unresolved,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] =
        [Self::Requested, Self::InDoubt, Self::Queued, Self::Sent, Self::Delivered, Self::Failed, Self::Unresolved];

    /// The word in storage and in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::InDoubt => "IN_DOUBT",
            Self::Queued => "QUEUED",
            Self::Sent => "SENT",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
            Self::Unresolved => "UNRESOLVED",
        }
    }

    /// Whether it can never change again.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Failed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no status is called {0:?}")]
pub struct UnknownStatus(pub String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(word: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == word).ok_or_else(|| UnknownStatus(word.to_owned()))
    }
}
