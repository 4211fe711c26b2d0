//! What passes between the store and the watch, the keys and the replicas.

use chrono::{DateTime, Utc};

use crate::{audit::Draft, provider_configs::StoredConfig, routing::Routing, sealing::SealedRecord};

/// What makes a new store usable.
#[derive(Clone, Debug)]
pub struct Establishment {
    /// Its first epoch.
    pub epoch: String,
    /// Fingerprint of the key ring that it belongs to.
    pub key_ring: String,
    /// The event of it, which also says when.
    pub event: Draft,
}

/// What a store says of itself at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Fingerprint of the key ring that it belongs to.
    pub key_ring: String,
    /// The oldest key that may still seal.
    pub key_floor: u32,
}

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The life of the store that the revisions belong to.
    pub epoch: String,
    /// The last committed revision.
    pub revision: i64,
    /// Changes after this revision are kept.
    pub retained_after: i64,
}

/// A committed change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRecord {
    /// Its revision.
    pub revision: i64,
    /// The organisation it changed.
    pub organization_id: String,
    /// When.
    pub committed_at: DateTime<Utc>,
}

/// What there is of an organisation, its credentials sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEntry {
    /// The organisation.
    pub organization_id: String,
    /// Its routing.
    pub routing: Routing,
    /// Its vendor accounts, in the order of the vendors' codes.
    pub configs: Vec<StoredConfig>,
    /// The revision that last changed it.
    pub revision: i64,
}

/// Whom a snapshot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotScope {
    /// Every organisation.
    All,
    /// Only organisations that have a vendor account.
    WithAccounts,
}

/// A sealed record with the row it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRow {
    /// The organisation.
    pub organization_id: String,
    /// The vendor.
    pub provider: String,
    /// The version of the row.
    pub version: i64,
    /// The record.
    pub sealed: SealedRecord,
}

/// What a replica knows of a node that watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// What the node calls itself.
    pub node_id: String,
    /// What it is.
    pub kind: crate::watch::NodeKind,
    /// The last revision that it has applied.
    pub applied: i64,
    /// Why it refused a revision; empty: it did not.
    pub nack_reason: String,
    /// When it was last heard.
    pub last_seen: DateTime<Utc>,
}

/// What a list searches: id and name, folded, on a line each, so that no match spans both.
pub(super) fn search_text(organization_id: &str, name: &str) -> String {
    use crate::organizations::fold;
    format!("{}\n{}", fold(organization_id), fold(name))
}
