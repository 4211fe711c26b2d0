//! What a store refuses, and how it fails.

use switchboard_runtime::error::Reason;

use crate::sealing::SealError;

/// Why something was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The id is taken.
    #[error("there is an organisation {organization_id:?} already")]
    OrganizationExists {
        /// As given.
        organization_id: String,
    },
    /// No such organisation.
    #[error("there is no organisation {organization_id:?}")]
    OrganizationNotFound {
        /// As given.
        organization_id: String,
    },
    /// One config an organisation and vendor.
    #[error("the organisation has credentials with {provider} already: update them")]
    ConfigExists {
        /// The vendor.
        provider: String,
    },
    /// No credentials with this vendor.
    #[error("the organisation has no credentials with {provider}: store them first")]
    ConfigNotFound {
        /// The vendor.
        provider: String,
    },
    /// Somebody else changed it since it was read.
    #[error("it has changed meanwhile: its version is {current} now")]
    VersionConflict {
        /// The version it has.
        current: i64,
    },
    /// The name typed in confirmation is another.
    #[error("confirm_organization_name is not the name of the organisation")]
    ConfirmationMismatch,
    /// Something is still routed to it.
    #[error("the organisation is still routed to {provider} ({}): route it elsewhere first", uses.join(", "))]
    ConfigInUse {
        /// The vendor.
        provider: String,
        /// The fields of the routing that name it.
        uses: Vec<&'static str>,
    },
    /// It is sealed under a key that a rotation has superseded: seal it again.
    #[error("the key ring in memory is outdated: records must be sealed under key {floor} or later")]
    KeyOutdated {
        /// The oldest key that may still seal.
        floor: u32,
    },
    /// The key ring of this replica does not have the key of what was read: it is behind a rotation, or what was read is.
    /// Another replica may open it, or this one later.
    #[error("this replica has no key for the credentials of {organization_id} with {provider}")]
    KeyMissing {
        /// The organisation.
        organization_id: String,
        /// The vendor.
        provider: String,
        /// What the key ring says.
        source: SealError,
    },
    /// The engine cannot be reached or has failed.
    #[error("the configuration store is not available")]
    Unavailable(#[from] sqlx::Error),
    /// A row that makes no sense.
    #[error("the configuration store holds something that makes no sense: {0}")]
    Inconsistent(String),
}

impl StoreError {
    pub(crate) fn organization_not_found(organization_id: &str) -> Self {
        // What is not an id is not repeated: it could be anything, of any length.
        let organization_id = organization_id.chars().filter(|c| !c.is_control()).take(64).collect();
        Self::OrganizationNotFound { organization_id }
    }

    pub(crate) fn config_exists(provider: &str) -> Self {
        Self::ConfigExists { provider: provider.to_owned() }
    }

    pub(crate) fn config_not_found(provider: &str) -> Self {
        Self::ConfigNotFound { provider: provider.to_owned() }
    }

    pub(crate) fn inconsistent(what: impl Into<String>) -> Self {
        Self::Inconsistent(what.into())
    }

    /// Whether the engine cannot be reached or has failed: the same may succeed later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// The documented reason.
    pub fn reason(&self) -> Reason {
        match self {
            Self::OrganizationExists { .. } => Reason::OrganizationExists,
            Self::OrganizationNotFound { .. } => Reason::OrganizationNotFound,
            Self::ConfigExists { .. } => Reason::ProviderConfigExists,
            Self::ConfigNotFound { .. } => Reason::ProviderConfigNotFound,
            Self::VersionConflict { .. } => Reason::VersionConflict,
            Self::ConfirmationMismatch => Reason::ConfirmationMismatch,
            Self::ConfigInUse { .. } => Reason::ProviderInUse,
            Self::KeyOutdated { .. } | Self::KeyMissing { .. } | Self::Unavailable(_) => Reason::ConfigUnavailable,
            Self::Inconsistent(_) => Reason::Internal,
        }
    }
}
