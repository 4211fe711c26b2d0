//! The steps of keeping house, each for itself: one that fails, for once or for ever, keeps no other from its work.

use crate::store::StoreError;

/// How many have failed.
#[derive(Default)]
pub(super) struct Steps {
    pub(super) failed: u64,
}

impl Steps {
    /// What a step has brought; nothing, if it has failed.
    pub(super) fn done<T: Default>(&mut self, step: &'static str, result: Result<T, StoreError>) -> T {
        result.unwrap_or_else(|error| {
            tracing::warn!(step, %error, "part of keeping the history in order failed; it will be tried again");
            self.failed += 1;
            T::default()
        })
    }
}
