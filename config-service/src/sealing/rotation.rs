//! Rotating the key-encryption key, online and resumably.
//!
//! 1. A new key is added to the ring file and becomes its current one. Old and new key are both there from now on.
//! 2. The store is told that nothing may be stored any more under an older key: a running service that still has the old
//!    ring in memory is refused, reads the file again and seals anew.
//! 3. Every record's data key is wrapped anew, in small transactions. The records themselves are not touched.
//! 4. When no record is left under an older key, the material of the older keys is dropped from the file.
//!
//! Killed at any point, the next run goes on: a ring with a superseded key is a rotation that is not finished.

use std::path::Path;

use switchboard_runtime::SharedClock;

use super::{Binding, KeyFileError, KeyRing, SealError, key_file};
use crate::{
    audit::{Draft, FieldChange},
    store::{KeyStore, SealedRow, Standing, StoreError},
};

/// Records that are wrapped anew in one transaction.
const BATCH: u32 = 200;

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The key that seals now.
    pub current: u32,
    /// How many records were wrapped anew.
    pub rewrapped: u64,
    /// Whether it finished one that had been interrupted, instead of beginning another.
    pub resumed: bool,
}

/// Why a rotation did not finish. Run it again: nothing is lost.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The key ring file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No new key could be made.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Records that do not open. They are left under their old key, which stays in the ring.
    #[error("{count} records do not open and keep the old key in use; the first: {first}")]
    Broken {
        /// How many.
        count: u64,
        /// Why the first does not.
        first: SealError,
    },
    /// The ring belongs to another store.
    #[error("the key ring {0} does not belong to this store: nothing was changed")]
    Foreign(String),
    /// The store has never been used.
    #[error("the configuration store is empty: start config-service once before rotating")]
    Empty,
}

/// Rotates the key ring at `path` over `store`, or finishes a rotation that was interrupted. `event` is the audit event
/// of whoever does it.
///
/// # Errors
///
/// [`RotationError`]; running it again goes on where it stopped.
pub async fn rotate<S: KeyStore + ?Sized>(
    path: &Path,
    store: &S,
    clock: &SharedClock,
    event: Draft,
) -> Result<Rotation, RotationError> {
    let _lock = key_file::lock(path)?;
    let mut ring = KeyRing::load(path)?;
    let standing = store.standing().await?.ok_or(RotationError::Empty)?;
    if ring.fingerprint() != standing.key_ring {
        return Err(RotationError::Foreign(path.display().to_string()));
    }
    let resumed = ring.superseded().next().is_some();
    if !resumed {
        ring.add(clock.now())?;
        ring.replace(path)?;
    }
    let current = ring.current();
    store.raise_key_floor(current, began(event, clock, &standing, current)).await?;
    let rewrapped = rewrap(&ring, store).await?;
    ring.retire_superseded(clock.now());
    ring.replace(path)?;
    tracing::info!(current, rewrapped, resumed, "key rotation finished");
    Ok(Rotation { current, rewrapped, resumed })
}

/// Goes over all records once. None can be added behind it: the store refuses what an older key has sealed.
async fn rewrap<S: KeyStore + ?Sized>(ring: &KeyRing, store: &S) -> Result<u64, RotationError> {
    let mut after = (String::new(), String::new());
    let (mut total, mut broken, mut first) = (0, 0, None);
    loop {
        let rows = store.records_below(ring.current(), (&after.0, &after.1), BATCH).await?;
        let Some(last) = rows.last() else { break };
        after = (last.organization_id.clone(), last.provider.clone());
        let mut rewrapped = Vec::with_capacity(rows.len());
        for row in rows {
            let SealedRow { organization_id, provider, version, sealed } = &row;
            match sealed.rewrap(ring, &Binding { organization_id, provider, version: *version }) {
                Ok(record) => rewrapped.push((row, record)),
                Err(error) => {
                    tracing::error!(organization_id, provider, %error, "a record cannot be wrapped anew");
                    broken += 1;
                    first.get_or_insert(error);
                }
            }
        }
        total += store.rewrap(&rewrapped).await?;
    }
    first.map_or(Ok(total), |first| Err(RotationError::Broken { count: broken, first }))
}

fn began(event: Draft, clock: &SharedClock, before: &Standing, current: u32) -> Draft {
    let mut event = Draft { at: clock.now(), ..event };
    event.changes.push(FieldChange::open("key_version", before.key_floor.to_string(), current.to_string()));
    event
}
