//! Writes that are made without a look at what is stored.
//!
//! Nearly every write is either a new message, whose request id is new as well, or what became of the call for a message
//! that this process recorded some milliseconds ago and that nobody has touched since, or a report for one that was read a
//! moment ago. An engine writes these blindly, all
//! in one statement, each row on the condition that what is presumed of it holds. The few of which it does not hold are
//! left alone and go the long way, through [`Store::commit`](super::Store::commit).

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    NewMessage,
    ledger::{self, Before, Update},
};
use crate::message::{Content, Event, EventKind, Message, Settlement};

/// What is written without a look.
#[derive(Default)]
pub struct Presumed {
    /// New messages: their request ids are presumed to be new. In the order of organisation and request id, each once.
    pub records: Vec<NewMessage>,
    /// Messages that have moved: until now they are presumed to stand as `before` says. In the order of their ids, each
    /// once.
    pub settled: Vec<Update>,
}

impl Presumed {
    /// The ids of all messages in it.
    pub fn ids<T: FromIterator<String>>(&self) -> T {
        let records = self.records.iter().map(|new| new.message.id.clone());
        records.chain(self.settled.iter().map(|update| update.message.id.clone())).collect()
    }
}

impl NewMessage {
    /// Gives it its first due time, if it can be written without a look: images take a statement of their own.
    pub fn presume(&mut self, reconcile_after: Duration) -> bool {
        self.message.due_time = Some(ledger::first_due(&self.message, reconcile_after));
        !matches!(self.message.content, Content::Mms(_))
    }
}

impl Update {
    /// What a settlement makes of a message that stands as it is `known`; `None`: that has to be looked at. A failed
    /// Alimtalk may owe a text, an MMS has images to drop, and a new route touches columns that otherwise never change.
    pub fn presume(
        known: &Message,
        settlement: &Settlement,
        at: DateTime<Utc>,
        reconcile_after: Duration,
    ) -> Option<Self> {
        let usual = match settlement {
            Settlement::Accepted { .. } | Settlement::InDoubt(_) => true,
            Settlement::Refused(_) => matches!(known.content, Content::Text(_)),
            Settlement::Failover { .. } | Settlement::Resend | Settlement::Unresolved => false,
        };
        usual.then(|| {
            let before = Before::of(known);
            let mut message = known.clone();
            ledger::settle(&mut message, settlement.clone(), at, reconcile_after);
            Self { message, before }
        })
    }

    /// Whether it is nothing but what vendors report every day, and can be written without a look: no contradiction, no
    /// text in the message's place, no images to drop, and no count of checks to keep.
    pub fn is_plain_report(&self) -> bool {
        let usual =
            |event: &Event| matches!(event.kind, EventKind::Reported | EventKind::Stale | EventKind::UnknownStatus);
        let mut new = self.message.events.iter().skip(self.before.events);
        let images = matches!(self.message.content, Content::Mms(_)) && self.message.state.is_final();
        new.all(usual) && !images && self.message.checks == 0
    }
}
