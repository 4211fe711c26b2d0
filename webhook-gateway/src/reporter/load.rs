//! What one call to the dispatcher may carry: so many updates, and so many bytes.

use prost::Message as _;
use switchboard_proto::dispatch::v1::StatusUpdate;

/// Updates in one call (contract, ReportStatus).
pub(super) const MAX_UPDATES: usize = 1000;
/// Bytes in one call. The dispatcher takes 4 MiB; where many organisations share an account, each update names them all.
pub(super) const MAX_BYTES: usize = 3 << 20;
/// What a call adds to each update at most: the number of its field, and its length.
const AROUND: usize = 6;

/// How much of a call something takes.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    updates: usize,
    bytes: usize,
}

impl Load {
    /// That of these updates.
    pub(super) fn of(updates: &[StatusUpdate]) -> Self {
        updates.iter().map(Self::of_one).fold(Self::default(), Self::plus)
    }

    fn of_one(update: &StatusUpdate) -> Self {
        Self { updates: 1, bytes: update.encoded_len() + AROUND }
    }

    /// Both together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { updates: self.updates + other.updates, bytes: self.bytes + other.bytes }
    }

    /// Whether a call that carries it may carry more.
    pub(super) fn has_room(self) -> bool {
        self.updates < MAX_UPDATES && self.bytes < MAX_BYTES
    }

    /// Whether one call may carry it.
    pub(super) fn fits(self) -> bool {
        self.updates <= MAX_UPDATES && self.bytes <= MAX_BYTES
    }
}

/// Takes what one call may carry from the front: one update at least, however large.
pub(super) fn take(updates: &mut Vec<StatusUpdate>) -> Vec<StatusUpdate> {
    let mut load = Load::default();
    let fitting = updates.iter().take_while(|update| {
        load = load.plus(Load::of_one(update));
        load.fits()
    });
    let count = fitting.count().max(1).min(updates.len());
    let rest = updates.split_off(count);
    std::mem::replace(updates, rest)
}
