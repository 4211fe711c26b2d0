//! Why a message failed, in words shared by all vendors.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The neutral vocabulary of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailureCode {
    /// The number does not exist or cannot receive.
    InvalidRecipient,
    /// The phone is off, out of coverage or busy, or the carrier had trouble.
    RecipientUnreachable,
    /// The recipient has refused the sender, the channel or advertisements.
    RecipientBlocked,
    /// The recipient does not use Kakao, or cannot receive Alimtalk.
    NotKakaoUser,
    /// The template is unknown, not approved, or the message does not match it.
    TemplateRejected,
    /// The sender number or profile is not registered, or is blocked.
    SenderRejected,
    /// Text, image, button or advertisement rules.
    ContentRejected,
    /// Key, signature, address or permission.
    CredentialsRejected,
    /// The account has no balance or its quota is used up.
    InsufficientBalance,
    /// The vendor said: too fast.
    ProviderThrottled,
    /// The vendor could not take it.
    ProviderUnavailable,
    /// The vendor did not answer in time.
    ProviderTimeout,
    /// The carrier gave up after the validity period.
    Expired,
    /// A code that no document names.
    Unknown,
}

impl FailureCode {
    /// Every code.
    pub const ALL: [Self; 14] = [
        Self::InvalidRecipient,
        Self::RecipientUnreachable,
        Self::RecipientBlocked,
        Self::NotKakaoUser,
        Self::TemplateRejected,
        Self::SenderRejected,
        Self::ContentRejected,
        Self::CredentialsRejected,
        Self::InsufficientBalance,
        Self::ProviderThrottled,
        Self::ProviderUnavailable,
        Self::ProviderTimeout,
        Self::Expired,
        Self::Unknown,
    ];

    /// The word used in the contract and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRecipient => "INVALID_RECIPIENT",
            Self::RecipientUnreachable => "RECIPIENT_UNREACHABLE",
            Self::RecipientBlocked => "RECIPIENT_BLOCKED",
            Self::NotKakaoUser => "NOT_KAKAO_USER",
            Self::TemplateRejected => "TEMPLATE_REJECTED",
            Self::SenderRejected => "SENDER_REJECTED",
            Self::ContentRejected => "CONTENT_REJECTED",
            Self::CredentialsRejected => "CREDENTIALS_REJECTED",
            Self::InsufficientBalance => "INSUFFICIENT_BALANCE",
            Self::ProviderThrottled => "PROVIDER_THROTTLED",
            Self::ProviderUnavailable => "PROVIDER_UNAVAILABLE",
            Self::ProviderTimeout => "PROVIDER_TIMEOUT",
            Self::Expired => "EXPIRED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FailureCode {
    type Err = std::convert::Infallible;

    /// A word of a newer version than this one is [`FailureCode::Unknown`].
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(Self::ALL.into_iter().find(|code| code.as_str() == word).unwrap_or(Self::Unknown))
    }
}

/// Why a message failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The neutral code.
    pub code: FailureCode,
    /// The vendor's own code as it came; empty where there was none (a timeout, say).
    pub provider_code: String,
    /// One sentence for a person. Never holds a secret, a phone number or a text.
    pub detail: String,
    /// Whether the same message, sent anew, could succeed.
    pub retryable: bool,
}

impl Failure {
    /// A failure that a vendor named.
    pub fn new(
        code: FailureCode,
        provider_code: impl Into<String>,
        detail: impl Into<String>,
        retryable: bool,
    ) -> Self {
        Self { code, provider_code: provider_code.into(), detail: detail.into(), retryable }
    }
}
