//! What can go wrong in this service, in its own words. `api::error` turns each into what a caller sees.

use switchboard_providers::{CredentialsError, model::Failure};
use switchboard_runtime::error::Reason;

use crate::{sealing::SealError, store::StoreError};

/// One thing that is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field in the request.
    pub field: String,
    /// What is wrong with it and what to do; never holds a secret.
    pub description: String,
}

impl Violation {
    /// A violation of `field`.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is limited to other organisations.
    #[error("this token may not act for the organisation {0:?}")]
    NotItsOrganization(String),
    /// The caller lacks a role that what it asked for needs beyond the call itself.
    #[error("{what} needs the role {role}")]
    RoleRequired {
        /// What.
        what: &'static str,
        /// The role.
        role: &'static str,
    },
    /// Fields that are missing or wrong: all of them.
    #[error("{}", sentence(.0))]
    Invalid(Vec<Violation>),
    /// Credentials that do not fit the vendor's form.
    #[error("{0}")]
    CredentialsShape(CredentialsError),
    /// No vendor of this code.
    #[error("there is no vendor {provider:?}: use {known}")]
    ProviderUnknown {
        /// As given.
        provider: String,
        /// The codes there are.
        known: String,
    },
    /// The vendor does not carry this kind of message.
    #[error("{provider} does not carry {channel}")]
    ChannelUnsupported {
        /// The vendor.
        provider: String,
        /// The channel.
        channel: &'static str,
    },
    /// The vendor did not confirm the credentials.
    #[error("the connection test did not pass: {}", .0.detail)]
    ConnectionTestFailed(Failure),
    /// The token proves something else, or nothing any more.
    #[error("the connection_test_token {0}")]
    ConnectionTestToken(&'static str),
    /// What the store refuses, or that it cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Credentials that cannot be sealed or opened.
    #[error(transparent)]
    Sealing(#[from] SealError),
}

fn sentence(violations: &[Violation]) -> String {
    let parts: Vec<_> = violations.iter().map(|v| format!("{} {}", v.field, v.description)).collect();
    parts.join("; ")
}

impl Error {
    /// The documented reason: what callers switch on, and the outcome in the audit trail.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotItsOrganization(_) | Self::RoleRequired { .. } => Reason::RoleRequired,
            Self::Invalid(_) => Reason::InvalidField,
            Self::CredentialsShape(_) => Reason::InvalidCredentialsShape,
            Self::ProviderUnknown { .. } => Reason::ProviderUnknown,
            Self::ChannelUnsupported { .. } => Reason::ChannelUnsupported,
            Self::ConnectionTestFailed(_) | Self::ConnectionTestToken(_) => Reason::ConnectionTestFailed,
            Self::Store(error) => error.reason(),
            Self::Sealing(_) => Reason::Internal,
        }
    }
}
