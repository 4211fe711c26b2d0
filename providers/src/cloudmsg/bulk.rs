//! Texts that are ready at the same time, in one call: CloudMsg takes up to a hundred recipients, each with a text of its
//! own (interface document, Send).
//!
//! Whoever comes first calls for all who are ready to run just then. Nobody waits for a timer: one that is alone goes at
//! once. What becomes of each is its own: its receipt, or its refusal within the 202. A call that is refused as a whole
//! by the fault of a message or of the account was accepted for nobody, but does not say who was meant: then each goes
//! alone, as it would have without company.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::{sync::oneshot, task::yield_now};

use crate::model::{Purpose, SendOutcome, Sms};

/// Recipients of one call at most (interface document, Send).
pub(super) const MOST_RECIPIENTS: usize = 100;

/// The calls of one account that are being made up.
#[derive(Default)]
pub(super) struct Bulk {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    calls: Vec<Call>,
    opened: u64,
}

/// A call that others may still join.
struct Call {
    number: u64,
    first: Sms,
    riders: Vec<Rider>,
}

/// A text that goes along with another's call.
pub(super) struct Rider {
    /// The text.
    pub(super) sms: Sms,
    verdict: oneshot::Sender<Verdict>,
}

/// What became of one that went along.
pub(super) enum Verdict {
    /// This.
    Outcome(SendOutcome),
    /// Nothing, certainly: it has to go alone.
    Alone,
}

/// How a text goes.
pub(super) enum Place<'a> {
    /// It is the first, and calls for those who join.
    First(Lead<'a>),
    /// It goes along; no verdict: whoever called gave up in the middle.
    Along(oneshot::Receiver<Verdict>),
}

/// Who calls for others. Given up before the call, it leaves each to go alone.
pub(super) struct Lead<'a> {
    bulk: &'a Bulk,
    number: u64,
}

impl Bulk {
    /// Joins the call that is being made up for texts like this one, or begins it.
    pub(super) fn join(&self, sms: &Sms) -> Place<'_> {
        let mut open = self.lock();
        let joinable = |call: &&mut Call| call.riders.len() + 1 < MOST_RECIPIENTS && alike(&call.first, sms);
        if let Some(call) = open.calls.iter_mut().find(joinable) {
            let (verdict, along) = oneshot::channel();
            call.riders.push(Rider { sms: sms.clone(), verdict });
            return Place::Along(along);
        }
        open.opened += 1;
        let number = open.opened;
        open.calls.push(Call { number, first: sms.clone(), riders: Vec::new() });
        Place::First(Lead { bulk: self, number })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one call can carry both: it says all but recipient and text once.
fn alike(one: &Sms, other: &Sms) -> bool {
    let advertisement = |sms: &Sms| matches!(sms.purpose, Purpose::Advertisement(_));
    one.kind == other.kind
        && one.sender == other.sender
        && one.subject == other.subject
        && advertisement(one) == advertisement(other)
}

impl Lead<'_> {
    /// Lets whoever is ready to run come along, until two looks in a row have brought nobody; those who came.
    pub(super) async fn gather(self) -> Vec<Rider> {
        let (mut size, mut in_vain) = (1, 0);
        while in_vain < 2 {
            yield_now().await;
            let now = self.size();
            in_vain = if now > size { 0 } else { in_vain + 1 };
            size = now;
        }
        self.close()
    }

    fn size(&self) -> usize {
        let open = self.bulk.lock();
        open.calls.iter().find(|call| call.number == self.number).map_or(0, |call| 1 + call.riders.len())
    }

    fn close(&self) -> Vec<Rider> {
        let mut open = self.bulk.lock();
        let place = open.calls.iter().position(|call| call.number == self.number);
        place.map(|place| open.calls.swap_remove(place).riders).unwrap_or_default()
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.close().into_iter().for_each(|rider| rider.tell(Verdict::Alone));
    }
}

impl Rider {
    /// Says what became of it. Whoever does not wait any more knows that it is in doubt.
    pub(super) fn tell(self, verdict: Verdict) {
        drop(self.verdict.send(verdict));
    }
}
