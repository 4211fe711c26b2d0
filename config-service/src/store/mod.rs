//! Storage, in the words of this service.
//!
//! Two engines stand behind one trait: [`sqlite`] (embedded) and [`postgres`] (production). What they do is the same SQL,
//! said once in [`sql`]. One conformance suite (`tests/suite/store`) runs against both; a case is a generic function in
//! its list.
//!
//! What every engine keeps to:
//!
//! - One row (`meta`) is locked first by everything that writes, so writers follow one another. The order of revisions
//!   and of the audit trail is therefore the order of commits, without gaps, on all replicas.
//! - A change is one transaction: the row, the audit event, the next revision. Versions, references and confirmations
//!   are checked inside it. None of it happens without the others.
//! - No secret comes in but sealed.
//! - Absence is `Option`; a row that makes no sense is [`StoreError::Inconsistent`], never a panic.
//!
//! To add something: a method here that says what happens (not which row is written), its SQL in [`sql`], its case in the
//! suite.

mod change;
mod error;
mod migrations;
mod open;
mod postgres;
mod records;
mod sql;
mod sqlite;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use switchboard_runtime::telemetry::PoolUse;

pub use change::{Change, Committed};
pub use error::StoreError;
pub use open::{OpenError, Target, migrate, open};
pub use records::{ChangeRecord, Establishment, NodeReport, Position, SealedEntry, SealedRow, SnapshotScope, Standing};

use crate::{
    audit::{Draft, Event, EventFilter, Head},
    organizations::{Listing, Organization, OrganizationId, OrganizationName, Page},
    provider_configs::{ProviderConfig, SealedConfig, StoredConfig},
    routing::Routing,
    sealing::SealedRecord,
};

/// What every call gives.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The whole store.
pub trait Store:
    OrganizationStore + ConfigStore + RoutingStore + AuditStore + WatchStore + KeyStore + NodeStore + Connections
{
}

impl<S> Store for S where
    S: OrganizationStore + ConfigStore + RoutingStore + AuditStore + WatchStore + KeyStore + NodeStore + Connections
{
}

/// What the store has open.
pub trait Connections: Send + Sync + 'static {
    /// Its connections to the engine now.
    fn pools(&self) -> Vec<PoolUse>;
}

/// Organisations.
#[async_trait]
pub trait OrganizationStore: Send + Sync + 'static {
    /// Adds an organisation without a mapping.
    async fn found(
        &self,
        id: &OrganizationId,
        name: &OrganizationName,
        change: Change,
    ) -> Result<Committed<Organization>>;

    /// Gives an organisation of version `expected` another name.
    async fn rename(
        &self,
        organization_id: &str,
        name: &OrganizationName,
        expected: i64,
        change: Change,
    ) -> Result<Committed<Organization>>;

    /// An organisation.
    async fn organization(&self, organization_id: &str) -> Result<Option<Organization>>;

    /// A page of organisations, and how many there are in all; both as of one moment.
    async fn list(&self, listing: &Listing) -> Result<Page>;
}

/// Provider configs.
#[async_trait]
pub trait ConfigStore: Send + Sync + 'static {
    /// Adds a config, and makes it the primary of the routing where it says so. Its version must follow
    /// [`last_config_version`](Self::last_config_version).
    async fn add_config(&self, config: &SealedConfig, change: Change) -> Result<Committed<ProviderConfig>>;

    /// Replaces a config of the version before, and makes it the primary of the routing where it says so.
    async fn replace_config(&self, config: &SealedConfig, change: Change) -> Result<Committed<ProviderConfig>>;

    /// Deletes a config of version `expected` that nothing is routed to, when `confirmed_name` is the organisation's.
    async fn remove_config(
        &self,
        organization_id: &str,
        provider: &str,
        expected: i64,
        confirmed_name: &str,
        change: Change,
    ) -> Result<Committed<()>>;

    /// A config.
    async fn config(&self, organization_id: &str, provider: &str) -> Result<Option<StoredConfig>>;

    /// Every config of an organisation, in the order of the vendors' codes.
    async fn configs(&self, organization_id: &str) -> Result<Vec<StoredConfig>>;

    /// The last version that a config has had, also when it is deleted; 0 when there has never been one. A version never
    /// returns, so nobody can mistake a config made anew for the one he has seen.
    async fn last_config_version(&self, organization_id: &str, provider: &str) -> Result<i64>;
}

/// Routing.
#[async_trait]
pub trait RoutingStore: Send + Sync + 'static {
    /// The routing of an organisation; `None`: there is no such organisation.
    async fn routing(&self, organization_id: &str) -> Result<Option<Routing>>;

    /// Replaces a routing of the version that `routing` carries. Every vendor that it names must have a config.
    async fn route(&self, organization_id: &str, routing: &Routing, change: Change) -> Result<Committed<Routing>>;
}

/// The audit trail.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Writes events that belong to no change, in this order.
    async fn record(&self, drafts: Vec<Draft>) -> Result<()>;

    /// Events that fit, the newest first, of sequences below `before`.
    async fn events(&self, filter: &EventFilter, before: Option<i64>, limit: u32) -> Result<Vec<Event>>;

    /// Events after a sequence, the oldest first.
    async fn events_after(&self, sequence: i64, limit: u32) -> Result<Vec<Event>>;

    /// The end of the chain.
    async fn audit_head(&self) -> Result<Head>;
}

/// What the watch lives on.
#[async_trait]
pub trait WatchStore: Send + Sync + 'static {
    /// Makes a new store usable: its first epoch, the reserved organisation, the key ring it belongs to. Does nothing
    /// when that has happened before. Says which key ring the store belongs to.
    async fn establish(&self, establishment: &Establishment) -> Result<Standing>;

    /// Where the store is.
    async fn position(&self) -> Result<Position>;

    /// Committed changes after a revision, the oldest first.
    async fn changes_after(&self, revision: i64, limit: u32) -> Result<Vec<ChangeRecord>>;

    /// What there is of an organisation now, and the position as of the same moment.
    async fn entry(&self, organization_id: &str) -> Result<(Option<SealedEntry>, Position)>;

    /// Everything as of one moment, to be read in pages.
    async fn snapshot(&self, scope: SnapshotScope) -> Result<Box<dyn Snapshot>>;

    /// Forgets changes that were committed before `cutoff`, up to `limit` of them. Says how many.
    async fn forget_changes(&self, cutoff: DateTime<Utc>, limit: u32) -> Result<u64>;

    /// Begins another epoch, unless that of `seen` has ended already. Says which epoch there is now.
    async fn begin_epoch(&self, seen: &str, epoch: &str, event: Draft) -> Result<String>;
}

/// Everything as of one moment.
#[async_trait]
pub trait Snapshot: Send {
    /// The moment.
    fn position(&self) -> &Position;

    /// How many entries there are.
    fn count(&self) -> i64;

    /// The next entries, by organisation; none when all have been read.
    async fn next(&mut self, limit: u32) -> Result<Vec<SealedEntry>>;
}

/// What a key rotation needs.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// From now on nothing may be stored that is sealed under an older key than this. Never goes down.
    async fn raise_key_floor(&self, key_version: u32, event: Draft) -> Result<()>;

    /// Which key ring the store belongs to; `None`: it has never been used.
    async fn standing(&self) -> Result<Option<Standing>>;

    /// Records whose data key is wrapped by an older key than this, by organisation and vendor, after the row `after`.
    async fn records_below(&self, key_version: u32, after: (&str, &str), limit: u32) -> Result<Vec<SealedRow>>;

    /// Puts re-wrapped records in the place of what they were made from; one that has been replaced or deleted meanwhile
    /// is left alone. Says how many were put.
    async fn rewrap(&self, rows: &[(SealedRow, SealedRecord)]) -> Result<u64>;

    /// Every key version that wraps a record.
    async fn key_versions(&self) -> Result<Vec<u32>>;
}

/// What the replicas of this service tell one another about the nodes that watch.
#[async_trait]
pub trait NodeStore: Send + Sync + 'static {
    /// Replaces what `replica` last told.
    async fn report_nodes(&self, replica: &str, nodes: &[NodeReport], at: DateTime<Utc>) -> Result<()>;

    /// What the replicas but `replica` have told since.
    async fn nodes_elsewhere(&self, replica: &str, since: DateTime<Utc>) -> Result<Vec<NodeReport>>;
}
