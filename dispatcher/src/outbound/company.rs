//! Texts of one account that are ready in the same moment and go to the vendor in one call.
//!
//! Whoever comes first calls for all who are ready to run just then. Nobody waits for a timer: one that is alone goes at
//! once, as it would have without all this.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard_providers::{
    MessageProvider,
    model::{SendOutcome, Sms},
};
use tokio::{sync::oneshot, task::yield_now};

use super::Outgoing;

/// The calls of one account that are being made up.
#[derive(Default)]
pub(super) struct Company {
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
    /// Whose call it is: credentials may have changed since another began.
    provider: Arc<dyn MessageProvider>,
    first: Arc<Outgoing>,
    along: Vec<Along>,
}

/// A text that goes along with another's call.
pub(super) struct Along {
    pub(super) message: Arc<Outgoing>,
    verdict: oneshot::Sender<Verdict>,
}

/// What became of one that went along.
pub(super) enum Verdict {
    /// This.
    Outcome(SendOutcome),
    /// Nothing, certainly: it has to go alone.
    Alone,
}

/// How a message goes.
pub(super) enum Place<'a> {
    /// By itself: nothing goes with it.
    Alone,
    /// It is the first, and calls for those who join.
    First(Lead<'a>),
    /// With another. No verdict: whoever called gave up in the middle.
    Along(oneshot::Receiver<Verdict>),
}

/// Who calls for others. Given up before the call, it leaves each to go alone.
pub(super) struct Lead<'a> {
    company: &'a Company,
    number: u64,
}

impl Company {
    /// Joins the call that is being made up for messages like this one, or begins it. `most`: how many may share one.
    pub(super) fn join(&self, provider: &Arc<dyn MessageProvider>, message: &Arc<Outgoing>, most: usize) -> Place<'_> {
        let (Outgoing::Sms(sms), Some(bulk)) = (&**message, provider.bulk()) else { return Place::Alone };
        let most = most.min(bulk.most());
        if most < 2 {
            return Place::Alone;
        }
        let joinable = |call: &&mut Call| {
            call.along.len() + 1 < most
                && Arc::ptr_eq(&call.provider, provider)
                && text(&call.first).is_some_and(|first| bulk.can_share(first, sms))
        };
        let mut open = self.lock();
        if let Some(call) = open.calls.iter_mut().find(joinable) {
            let (verdict, receiver) = oneshot::channel();
            call.along.push(Along { message: Arc::clone(message), verdict });
            return Place::Along(receiver);
        }
        open.opened += 1;
        let number = open.opened;
        let (provider, first) = (Arc::clone(provider), Arc::clone(message));
        open.calls.push(Call { number, provider, first, along: Vec::new() });
        Place::First(Lead { company: self, number })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text in it, if it is one.
pub(super) fn text(message: &Outgoing) -> Option<&Sms> {
    match message {
        Outgoing::Sms(sms) => Some(sms),
        Outgoing::Mms(_) | Outgoing::Alimtalk(_) => None,
    }
}

impl Lead<'_> {
    /// Lets whoever is ready to run come along, until two looks in a row have brought nobody; those who came.
    pub(super) async fn gather(self) -> Vec<Along> {
        let (mut size, mut in_vain) = (0, 0);
        while in_vain < 2 {
            yield_now().await;
            let now = self.size();
            in_vain = if now > size { 0 } else { in_vain + 1 };
            size = now;
        }
        self.close()
    }

    fn size(&self) -> usize {
        let open = self.company.lock();
        open.calls.iter().find(|call| call.number == self.number).map_or(0, |call| call.along.len())
    }

    fn close(&self) -> Vec<Along> {
        let mut open = self.company.lock();
        let place = open.calls.iter().position(|call| call.number == self.number);
        place.map(|place| open.calls.swap_remove(place).along).unwrap_or_default()
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.close().into_iter().for_each(|along| along.tell(Verdict::Alone));
    }
}

impl Along {
    /// Says what became of it. Whoever does not wait any more knows that it is in doubt.
    pub(super) fn tell(self, verdict: Verdict) {
        drop(self.verdict.send(verdict));
    }
}
