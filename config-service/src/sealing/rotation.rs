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
    store::{KeyStore, SealedRow, StoreError},
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
    /// A record that does not open. It is left under its old key, which stays in the ring.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The ring belongs to another store.
    #[error("the key ring {0} does not belong to this store: nothing was changed")]
    Foreign(String),
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
    key_ring_of_store: &str,
    clock: &SharedClock,
    event: Draft,
) -> Result<Rotation, RotationError> {
    let _lock = key_file::lock(path)?;
    let mut ring = KeyRing::load(path)?;
    if ring.fingerprint() != key_ring_of_store {
        return Err(RotationError::Foreign(path.display().to_string()));
    }
    let resumed = ring.superseded().next().is_some();
    if !resumed {
        ring.add(clock.now())?;
        ring.replace(path)?;
    }
    let current = ring.current();
    store.raise_key_floor(current, began(&event, clock, current)).await?;
    let rewrapped = rewrap(&ring, store).await?;
    ring.retire_superseded(clock.now());
    ring.replace(path)?;
    tracing::info!(current, rewrapped, resumed, "key rotation finished");
    Ok(Rotation { current, rewrapped, resumed })
}

async fn rewrap<S: KeyStore + ?Sized>(ring: &KeyRing, store: &S) -> Result<u64, RotationError> {
    let mut total = 0;
    loop {
        let rows = store.records_below(ring.current(), BATCH).await?;
        if rows.is_empty() {
            return Ok(total);
        }
        let rewrapped = rows.into_iter().map(|row| {
            let SealedRow { organization_id, provider, version, sealed } = &row;
            let binding = Binding { organization_id, provider, version: *version };
            let record = sealed.rewrap(ring, &binding)?;
            Ok((row, record))
        });
        let rewrapped: Vec<_> = rewrapped.collect::<Result<_, SealError>>()?;
        total += store.rewrap(&rewrapped).await?;
    }
}

fn began(event: &Draft, clock: &SharedClock, current: u32) -> Draft {
    let mut event = Draft { at: clock.now(), ..event.clone() };
    event.changes.push(FieldChange::open("key_floor", "", current.to_string()));
    event
}
