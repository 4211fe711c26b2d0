//! What the one locked row holds while a transaction writes: revisions, the audit chain and the key floor move on here.

use super::rows::{self, Columns};
use crate::{
    audit::{Draft, Event, Head, link},
    sealing::SealedRecord,
    store::{Result, StoreError},
};

/// The row of `meta`, locked.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub epoch: String,
    pub revision: i64,
    pub retained_after: i64,
    pub organization_count: i64,
    pub audit: Head,
    pub key_ring: String,
    pub key_floor: u32,
}

impl Meta {
    pub fn of(row: &impl Columns) -> Result<Self> {
        let audit = Head { count: row.number("audit_count")?, hash: rows::hash(row.bytes("audit_hash")?)? };
        Ok(Self {
            epoch: row.text("epoch")?,
            revision: row.number("revision")?,
            retained_after: row.number("retained_after")?,
            organization_count: row.number("organization_count")?,
            audit,
            key_ring: row.text("key_ring")?,
            key_floor: rows::key_version(row.number("key_floor")?)?,
        })
    }

    /// The next link of the audit trail.
    pub fn append(&mut self, what: Draft, revision: i64) -> Event {
        let sequence = self.audit.count + 1;
        let hash = link(&self.audit.hash, sequence, revision, &what);
        self.audit = Head { count: sequence, hash };
        Event { sequence, what, revision, hash }
    }

    /// Refuses a record that a superseded key has sealed: a rotation might not see it any more.
    pub fn accept(&self, record: &SealedRecord) -> Result<()> {
        if record.key_version < self.key_floor {
            return Err(StoreError::KeyOutdated { floor: self.key_floor });
        }
        Ok(())
    }
}

/// Refuses a change that is based on another version.
pub(super) fn based_on(expected: i64, current: i64) -> Result<()> {
    if expected == current { Ok(()) } else { Err(StoreError::VersionConflict { current }) }
}
