//! What is known of one organisation.

use std::{collections::BTreeMap, sync::Arc};

use switchboard_providers::{
    Descriptor,
    model::{Channel, Sender},
};

use crate::outbound::Lane;

/// One organisation's mapping and accounts, as one revision of the configuration has them. Immutable: a change is a new
/// entry.
pub struct Entry {
    /// The organisation.
    pub organization_id: String,
    /// The revision that made it.
    pub revision: i64,
    /// The vendor for all that is not overridden; `None`: no mapping.
    pub primary: Option<String>,
    /// Exceptions by kind of message.
    pub channel_overrides: BTreeMap<Channel, String>,
    /// Vendors to try when the first certainly did not take the message.
    pub failover: Vec<String>,
    /// A trial of another vendor.
    pub canary: Option<Canary>,
    /// Accounts by vendor.
    pub accounts: BTreeMap<String, Arc<Account>>,
}

/// A trial of another vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// The vendor.
    pub provider: String,
    /// 1 to 100.
    pub percent: u8,
}

/// One vendor account, ready to send.
pub struct Account {
    /// Whose it is.
    pub organization_id: String,
    /// What the vendor is and can do.
    pub vendor: &'static Descriptor,
    /// The account as the vendor names it.
    pub provider_account: String,
    /// Version of the credentials.
    pub version: i64,
    /// The sender where a caller names none.
    pub default_sender: Option<Sender>,
    /// The way out: limits and the vendor's client.
    pub lane: Lane,
}
