//! Provider configs: an organisation's credentials with one vendor.
//!
//! Everything that a vendor's form asks for is sealed. What is kept beside it in clear is made by [`FieldState::of`]
//! alone, from the form's own word on what may be shown.

mod fields;
mod revision;
mod service;

use chrono::{DateTime, Utc};

pub use fields::{FieldState, differences};
pub use revision::{LONGEST_OVERLAP, Revision};
pub(crate) use revision::{merged, validate};
pub(crate) use service::confirms;
pub use service::{ChangedCredentials, Create, Delete, ProviderConfigs, Update};

use crate::sealing::{Binding, SealedRecord};

/// The credentials of one organisation with one vendor, as far as anybody may see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderConfig {
    /// The organisation.
    pub organization_id: String,
    /// The vendor's code.
    pub provider: String,
    /// The account as the vendor names it.
    pub account: String,
    /// What may be shown of each field that is set; of the form's others nothing is known.
    pub fields: Vec<FieldState>,
    /// Grows by one with every change, and does not begin anew when the config is deleted and made again.
    pub version: i64,
    /// Whether the organisation's routing has it as primary.
    pub active: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A config with what is sealed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConfig {
    /// What may be seen.
    pub config: ProviderConfig,
    /// The credentials.
    pub sealed: SealedRecord,
}

impl StoredConfig {
    /// The row that the sealed credentials belong to.
    pub fn binding(&self) -> Binding<'_> {
        Binding {
            organization_id: &self.config.organization_id,
            provider: &self.config.provider,
            version: self.config.version,
        }
    }
}

/// A config on its way into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedConfig {
    /// The organisation.
    pub organization_id: String,
    /// The vendor's code.
    pub provider: String,
    /// The account as the vendor names it.
    pub account: String,
    /// What may be shown of each field that is set.
    pub fields: Vec<FieldState>,
    /// The version that it will have, which the sealed credentials are bound to.
    pub version: i64,
    /// The credentials.
    pub sealed: SealedRecord,
    /// Whether it also becomes the primary of the organisation's routing.
    pub activate: bool,
}
