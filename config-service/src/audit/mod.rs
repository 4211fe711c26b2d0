//! The audit trail: who did, tried or was denied what.
//!
//! Events form a chain of hashes. An event of a change is written in the transaction of the change; a refused one in its
//! own. No event holds a secret: of a secret field only that it changed.

mod chain;
mod denials;
mod head;
mod late;
mod trail;

use chrono::{DateTime, Utc};

pub use chain::{Hash, ORIGIN, link};
pub use denials::Denials;
pub use head::SignedHead;
pub use late::LateDenials;
pub use trail::{Trail, Verdict};

/// The outcome of what was carried out.
pub const OK: &str = "OK";

/// One field before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldChange {
    /// Path of the field, such as `routing.primary`.
    pub field: String,
    /// Before; empty for a secret.
    pub before: String,
    /// After; empty for a secret.
    pub after: String,
    /// Whether it is a secret.
    pub secret: bool,
}

impl FieldChange {
    /// A field that anybody may see.
    pub fn open(field: impl Into<String>, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self { field: field.into(), before: before.into(), after: after.into(), secret: false }
    }

    /// A secret: only that it changed.
    pub fn secret(field: impl Into<String>) -> Self {
        Self { field: field.into(), secret: true, ..Self::default() }
    }
}

/// An event that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// When.
    pub at: DateTime<Utc>,
    /// Name of the token or subject; empty for a caller that nobody knows.
    pub actor: String,
    /// The roles it had.
    pub roles: Vec<String>,
    /// What, by the name of the RPC.
    pub action: String,
    /// The organisation concerned, if any.
    pub organization_id: String,
    /// The vendor concerned, if any.
    pub provider: String,
    /// [`OK`], or the reason why it was refused.
    pub outcome: String,
    /// Before and after.
    pub changes: Vec<FieldChange>,
    /// Whether a check was skipped by force.
    pub forced: bool,
    /// The caller's request id.
    pub request_id: String,
    /// Address of the caller.
    pub peer: String,
}

/// An event of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Position in the chain, from 1, without gaps.
    pub sequence: i64,
    /// What happened.
    pub what: Draft,
    /// The revision that the change made; 0 where there was none.
    pub revision: i64,
    /// Hash of the event before and this one.
    pub hash: Hash,
}

/// The end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many events there are.
    pub count: i64,
    /// Hash of the last one; [`ORIGIN`] when there is none.
    pub hash: Hash,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only of this organisation; empty: all.
    pub organization_id: String,
    /// Only by this actor; empty: all.
    pub actor: String,
    /// Only this action; empty: all.
    pub action: String,
    /// At or after this time.
    pub from: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
    /// Only of these organisations, since the caller is limited to them.
    pub within: Option<std::collections::BTreeSet<String>>,
}
