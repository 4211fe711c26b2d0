//! Texts as every vendor gets them: validated, normalised, measured.

use super::{Channel, Image, PhoneNumber, Sender};

/// What a text is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One-time passwords, notices, receipts.
    Transactional,
    /// Bound to the rules for advertisements.
    Advertisement(Advertisement),
}

/// What an advertisement must carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// The free opt-out number found in the text, national digits such as `0801234567`.
    pub opt_out_number: String,
}

/// Whether a text goes as an SMS or as an LMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// At most [`super::SMS_BYTES`].
    Sms,
    /// At most [`super::LMS_BYTES`], with a subject.
    Lms,
}

impl From<TextKind> for Channel {
    fn from(kind: TextKind) -> Self {
        match kind {
            TextKind::Sms => Self::Sms,
            TextKind::Lms => Self::Lms,
        }
    }
}

/// An SMS or LMS.
#[derive(Clone, PartialEq, Eq)]
pub struct Sms {
    /// Our `message_id`; the vendor's client reference and idempotency key.
    pub reference: String,
    /// Recipient.
    pub to: PhoneNumber,
    /// Sender.
    pub sender: Sender,
    /// The text, normalised and within the limit of its kind.
    pub text: String,
    /// Subject of an LMS; empty: none.
    pub subject: String,
    /// SMS or LMS.
    pub kind: TextKind,
    /// What it is for.
    pub purpose: Purpose,
}

/// An MMS.
#[derive(Clone, PartialEq, Eq)]
pub struct Mms {
    /// Our `message_id`.
    pub reference: String,
    /// Recipient.
    pub to: PhoneNumber,
    /// Sender.
    pub sender: Sender,
    /// The text, normalised and within the limit of an LMS.
    pub text: String,
    /// Subject; empty: none.
    pub subject: String,
    /// One to three images.
    pub images: Vec<Image>,
    /// What it is for.
    pub purpose: Purpose,
}
