//! A message as a vendor keeps it, before either vendor's words are put on it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Channel {
    /// Up to 90 bytes.
    Sms,
    /// Up to 2,000 bytes, with a subject.
    Lms,
    /// With images.
    Mms,
    /// Kakao Alimtalk.
    Alimtalk,
}

impl Channel {
    /// CloudMsg's word for it.
    #[must_use]
    pub fn upper(self) -> &'static str {
        match self {
            Self::Sms => "SMS",
            Self::Lms => "LMS",
            Self::Mms => "MMS",
            Self::Alimtalk => "ALIMTALK",
        }
    }

    /// SendTalk's word for it.
    #[must_use]
    pub fn lower(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Lms => "lms",
            Self::Mms => "mms",
            Self::Alimtalk => "alimtalk",
        }
    }
}

/// How far a message has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Accepted, nothing done yet.
    Accepted,
    /// With the carrier or Kakao.
    WithCarrier,
    /// Arrived.
    Delivered,
    /// Did not arrive, for the reason of a delivery code.
    Failed {
        /// Delivery code, such as `2003`.
        code: String,
    },
    /// Kakao's 3005: may arrive within three days.
    Unconfirmed,
    /// A status word that no document lists.
    Other {
        /// The word as the vendor writes it.
        word: String,
        /// The code beside it, if any.
        code: Option<String>,
    },
}

impl State {
    /// Whether the message will move no more.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Delivered | Self::Failed { .. })
    }
}

/// An image that came with an MMS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Size of the file in bytes.
    pub bytes: usize,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// SHA-256 of the file, hex.
    pub sha256: String,
}

/// What the vendor sends by itself when an Alimtalk fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FallbackPlan {
    /// SMS or LMS.
    pub channel: Channel,
    /// Sender number, in the vendor's form.
    pub from: String,
    /// Subject of an LMS.
    pub subject: Option<String>,
    /// The text.
    pub text: String,
}

/// A message as the vendor keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The vendor's id.
    pub message_id: String,
    /// CloudMsg: id of the call that made it.
    pub request_id: Option<String>,
    /// Service id or account id.
    pub account: String,
    /// `clientRef` or `reference`.
    pub reference: Option<String>,
    /// SendTalk: the `Idempotency-Key` it came under.
    pub idempotency_key: Option<String>,
    /// Kind of message.
    pub channel: Channel,
    /// Recipient, in the vendor's form.
    pub to: String,
    /// Sender, in the vendor's form; none for an Alimtalk.
    pub from: Option<String>,
    /// Subject or title.
    pub subject: Option<String>,
    /// The text as it reaches the phone.
    pub text: String,
    /// Images of an MMS.
    pub images: Vec<ImageFacts>,
    /// Buttons as they were in the request.
    pub buttons: Value,
    /// Alimtalk: the template.
    pub template_code: Option<String>,
    /// Whether it was sent as an advertisement.
    pub advertisement: bool,
    /// What the vendor will do if the Alimtalk fails.
    pub fallback_plan: Option<FallbackPlan>,
    /// The message that the vendor made in place of this one.
    pub fallback_message_id: Option<String>,
    /// The Alimtalk that this message replaces.
    pub fallback_of: Option<String>,
    /// Where it is.
    #[serde(flatten)]
    pub state: State,
    /// `SKT`, `KT`, `LGU`; none for Alimtalk.
    pub carrier: Option<String>,
    /// Epoch milliseconds.
    pub accepted_at: i64,
    /// Epoch milliseconds of the last change.
    pub updated_at: i64,
    /// Epoch milliseconds of the result.
    pub completed_at: Option<i64>,
}
