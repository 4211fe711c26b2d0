//! Where a subscriber goes on from.

use crate::store::Position;

/// What a subscriber says it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// The last revision it has applied; 0: none.
    pub revision: i64,
    /// The epoch of that revision.
    pub epoch: String,
}

/// How it is brought into step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Exactly what it has missed.
    Replay,
    /// Everything.
    Snapshot,
    /// It knows more than the store: the store was restored from a backup. Everything, in a new epoch.
    NewEpoch,
}

impl Resume {
    /// How a subscriber with this is brought into step by a store at `position`.
    pub fn plan(&self, position: &Position) -> Plan {
        if self.revision <= 0 || self.epoch != position.epoch || self.revision < position.retained_after {
            Plan::Snapshot
        } else if self.revision > position.revision {
            Plan::NewEpoch
        } else {
            Plan::Replay
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(revision: i64, epoch: &str) -> Plan {
        let position = Position { epoch: "e1".to_owned(), revision: 100, retained_after: 40 };
        Resume { revision, epoch: epoch.to_owned() }.plan(&position)
    }

    #[test]
    fn what_is_retained_is_replayed() {
        assert_eq!([plan(40, "e1"), plan(41, "e1"), plan(100, "e1")], [Plan::Replay; 3]);
    }

    #[test]
    fn nothing_too_old_or_another_epoch_starts_with_a_snapshot() {
        assert_eq!([plan(0, "e1"), plan(39, "e1"), plan(100, "e0"), plan(101, "e0"), plan(0, "")], [Plan::Snapshot; 5]);
    }

    #[test]
    fn a_subscriber_that_knows_more_than_the_store_shows_that_it_was_restored() {
        assert_eq!(plan(101, "e1"), Plan::NewEpoch);
    }
}
