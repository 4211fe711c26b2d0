//! Where an open message stands in the list of what must be looked after.
//!
//! The list is ordered by time, and moving in it costs as much as getting in. Every message moves once, by the few
//! milliseconds that its vendor takes to answer: so it may stand a little earlier than it is due, never later.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{message::Message, store::ledger::Update};

/// How much earlier than it is due a message may stand.
const SLACK: TimeDelta = TimeDelta::seconds(5);

/// Where a message stands now that stood at `listed` and is due at `due`; `None`: not in the list.
pub(super) fn place(listed: Option<DateTime<Utc>>, due: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    let due = due?;
    Some(listed.filter(|listed| (*listed..*listed + SLACK).contains(&due)).unwrap_or(due))
}

/// A message, and where it stands in the list.
pub(super) struct Listed {
    pub(super) message: Message,
    pub(super) at: Option<DateTime<Utc>>,
}

/// A changed message, where it stood and where it stands.
pub(super) struct Moved<'a> {
    pub(super) update: &'a Update,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
}

impl<'a> Moved<'a> {
    pub(super) fn new(update: &'a Update, from: Option<DateTime<Utc>>) -> Self {
        Self { update, from, to: place(from, update.message.due_time) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stands_at_most_a_little_earlier_than_it_is_due() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        assert_eq!(place(None, None), None);
        assert_eq!(place(at(10), None), None, "final");
        assert_eq!(place(None, at(10)), at(10), "new");
        assert_eq!(place(at(10), at(10)), at(10));
        assert_eq!(place(at(10), at(14)), at(10), "a small delay");
        assert_eq!(place(at(10), at(15)), at(15), "a long one");
        assert_eq!(place(at(10), at(9)), at(9), "never later than it is due");
    }
}
