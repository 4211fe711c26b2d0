//! The documented reasons. Callers switch on them, so a name never changes once it is here.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use tonic::Code;

/// Why a call was refused: `google.rpc.ErrorInfo.reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A phone number that cannot be one.
    InvalidPhoneNumber,
    /// No text to send.
    TextEmpty,
    /// More bytes than the channel takes.
    TextTooLong,
    /// A character that CP949 does not have.
    UnencodableText,
    /// An image of the wrong type, size or number, or one that does not decode.
    InvalidImage,
    /// Placeholders and variables do not agree.
    TemplateMismatch,
    /// A button without what its type requires.
    InvalidButton,
    /// Credentials that do not fit the vendor's form.
    InvalidCredentialsShape,
    /// An advertisement that breaks the rules for advertisements.
    AdRules,
    /// A page token that is not ours, or belongs to another query.
    InvalidPageToken,
    /// Any other field that is missing or wrong; the field violations say which.
    InvalidField,
    /// The `request_id` was used for other content.
    RequestIdReused,
    /// The organisation exists.
    OrganizationExists,
    /// The organisation has a configuration for this provider.
    ProviderConfigExists,
    /// No such message.
    MessageNotFound,
    /// No such organisation.
    OrganizationNotFound,
    /// No such provider configuration.
    ProviderConfigNotFound,
    /// No vendor of this code.
    ProviderUnknown,
    /// The vendor did not take the credentials.
    ConnectionTestFailed,
    /// The name typed in confirmation is another.
    ConfirmationMismatch,
    /// Something is still routed to it.
    ProviderInUse,
    /// The vendor does not offer the channel.
    ChannelUnsupported,
    /// No sender given, and the account has no default one.
    NoSender,
    /// Somebody else has changed it since it was read.
    VersionConflict,
    /// Too many calls.
    RateLimited,
    /// The service has more work than it can finish in time.
    Overloaded,
    /// No bearer token.
    TokenMissing,
    /// A bearer token that nobody has.
    TokenInvalid,
    /// The caller's roles or organisations do not allow it.
    RoleRequired,
    /// The message history cannot be written or read.
    HistoryUnavailable,
    /// The configuration cannot be written or read.
    ConfigUnavailable,
    /// The caller's deadline is too near, or has passed.
    DeadlineExceeded,
    /// Not built yet.
    NotImplemented,
    /// A defect of ours; the log has it whole.
    Internal,
}

/// A reason that this version does not know.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown error reason {0:?}")]
pub struct UnknownReason(String);

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 34] = [
        Self::InvalidPhoneNumber,
        Self::TextEmpty,
        Self::TextTooLong,
        Self::UnencodableText,
        Self::InvalidImage,
        Self::TemplateMismatch,
        Self::InvalidButton,
        Self::InvalidCredentialsShape,
        Self::AdRules,
        Self::InvalidPageToken,
        Self::InvalidField,
        Self::RequestIdReused,
        Self::OrganizationExists,
        Self::ProviderConfigExists,
        Self::MessageNotFound,
        Self::OrganizationNotFound,
        Self::ProviderConfigNotFound,
        Self::ProviderUnknown,
        Self::ConnectionTestFailed,
        Self::ConfirmationMismatch,
        Self::ProviderInUse,
        Self::ChannelUnsupported,
        Self::NoSender,
        Self::VersionConflict,
        Self::RateLimited,
        Self::Overloaded,
        Self::TokenMissing,
        Self::TokenInvalid,
        Self::RoleRequired,
        Self::HistoryUnavailable,
        Self::ConfigUnavailable,
        Self::DeadlineExceeded,
        Self::NotImplemented,
        Self::Internal,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.entry().0
    }

    /// The gRPC code that goes with it.
    #[must_use]
    pub const fn code(self) -> Code {
        self.entry().1
    }

    const fn entry(self) -> (&'static str, Code) {
        match self {
            Self::InvalidPhoneNumber => ("INVALID_PHONE_NUMBER", Code::InvalidArgument),
            Self::TextEmpty => ("TEXT_EMPTY", Code::InvalidArgument),
            Self::TextTooLong => ("TEXT_TOO_LONG", Code::InvalidArgument),
            Self::UnencodableText => ("UNENCODABLE_TEXT", Code::InvalidArgument),
            Self::InvalidImage => ("INVALID_IMAGE", Code::InvalidArgument),
            Self::TemplateMismatch => ("TEMPLATE_MISMATCH", Code::InvalidArgument),
            Self::InvalidButton => ("INVALID_BUTTON", Code::InvalidArgument),
            Self::InvalidCredentialsShape => ("INVALID_CREDENTIALS_SHAPE", Code::InvalidArgument),
            Self::AdRules => ("AD_RULES", Code::InvalidArgument),
            Self::InvalidPageToken => ("INVALID_PAGE_TOKEN", Code::InvalidArgument),
            Self::InvalidField => ("INVALID_FIELD", Code::InvalidArgument),
            Self::RequestIdReused => ("REQUEST_ID_REUSED", Code::AlreadyExists),
            Self::OrganizationExists => ("ORGANIZATION_EXISTS", Code::AlreadyExists),
            Self::ProviderConfigExists => ("PROVIDER_CONFIG_EXISTS", Code::AlreadyExists),
            Self::MessageNotFound => ("MESSAGE_NOT_FOUND", Code::NotFound),
            Self::OrganizationNotFound => ("ORGANIZATION_NOT_FOUND", Code::NotFound),
            Self::ProviderConfigNotFound => ("PROVIDER_CONFIG_NOT_FOUND", Code::NotFound),
            Self::ProviderUnknown => ("PROVIDER_UNKNOWN", Code::NotFound),
            Self::ConnectionTestFailed => ("CONNECTION_TEST_FAILED", Code::FailedPrecondition),
            Self::ConfirmationMismatch => ("CONFIRMATION_MISMATCH", Code::FailedPrecondition),
            Self::ProviderInUse => ("PROVIDER_IN_USE", Code::FailedPrecondition),
            Self::ChannelUnsupported => ("CHANNEL_UNSUPPORTED", Code::FailedPrecondition),
            Self::NoSender => ("NO_SENDER", Code::FailedPrecondition),
            Self::VersionConflict => ("VERSION_CONFLICT", Code::Aborted),
            Self::RateLimited => ("RATE_LIMITED", Code::ResourceExhausted),
            Self::Overloaded => ("OVERLOADED", Code::ResourceExhausted),
            Self::TokenMissing => ("TOKEN_MISSING", Code::Unauthenticated),
            Self::TokenInvalid => ("TOKEN_INVALID", Code::Unauthenticated),
            Self::RoleRequired => ("ROLE_REQUIRED", Code::PermissionDenied),
            Self::HistoryUnavailable => ("HISTORY_UNAVAILABLE", Code::Unavailable),
            Self::ConfigUnavailable => ("CONFIG_UNAVAILABLE", Code::Unavailable),
            Self::DeadlineExceeded => ("DEADLINE_EXCEEDED", Code::DeadlineExceeded),
            Self::NotImplemented => ("NOT_IMPLEMENTED", Code::Unimplemented),
            Self::Internal => ("INTERNAL", Code::Internal),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name).ok_or_else(|| UnknownReason(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_its_own_name_and_reads_back() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
    }

    #[test]
    fn a_reason_of_a_later_version_is_unknown() {
        assert!("SOMETHING_NEW".parse::<Reason>().is_err());
    }

    #[test]
    fn no_reason_means_success() {
        assert!(Reason::ALL.iter().all(|reason| reason.code() != Code::Ok));
    }
}
