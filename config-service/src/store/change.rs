//! What every change carries into the store, and what it brings back.

use crate::audit::Draft;

/// The part of a change that is the same for all: its audit event, its time, and whether it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The event that is written in the same transaction; its time is the time of the change. The store adds what only
    /// the transaction can know: a primary that `activate` replaced.
    pub event: Draft,
    /// Do everything and then roll back: what comes back is what would have been.
    pub dry_run: bool,
}

/// What a change brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    /// The new state.
    pub value: T,
    /// The revision that the change made; 0 after a dry run.
    pub revision: i64,
}
