//! Reading and verifying the trail, and writing what was refused.

use std::sync::Arc;

use switchboard_runtime::{SharedClock, error::Reason};

use super::{Draft, Event, EventFilter, Head, ORIGIN, SignedHead, link};
use crate::{
    attempt::Attempt,
    error::Error,
    sealing::Keys,
    store::{Store, StoreError},
};

/// Events that are walked at once.
const STRIDE: u32 = 1_000;

/// The audit trail of this store.
#[derive(Clone)]
pub struct Trail {
    store: Arc<dyn Store>,
    keys: Keys,
    clock: SharedClock,
}

/// What a walk over the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How many events were walked.
    pub checked: i64,
    /// The first broken link and what is wrong with it.
    pub broken: Option<(i64, String)>,
}

impl Trail {
    /// The trail in `store`, its head signed with `keys`.
    pub fn new(store: Arc<dyn Store>, keys: Keys, clock: SharedClock) -> Self {
        Self { store, keys, clock }
    }

    /// Writes that an attempt was refused. A dry run leaves no trace, since it could have changed nothing, unless somebody
    /// tried what he may not, or credentials that do not pass.
    pub async fn refused(&self, attempt: &Attempt, error: &Error) {
        let probes = matches!(error.reason(), Reason::RoleRequired | Reason::ConnectionTestFailed);
        if attempt.dry_run && !probes {
            return;
        }
        let draft = attempt.draft(self.clock.now(), error.reason().as_str(), Vec::new());
        self.record_if_possible(vec![draft]).await;
    }

    /// Writes events of what was refused or denied. A trail that cannot be written is a store that cannot be reached:
    /// nothing can be changed either, so this only logs.
    pub(super) async fn record_if_possible(&self, drafts: Vec<Draft>) {
        let count = drafts.len() as u64;
        if let Err(error) = self.record(drafts).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, count, "refused or denied attempts could not be written to the audit trail");
            metrics::counter!("switchboard_config_audit_lost_total").increment(count);
        }
    }

    /// Writes events that belong to no change.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn record(&self, drafts: Vec<Draft>) -> Result<(), StoreError> {
        self.store.record(drafts).await
    }

    /// A page of events, the newest first, before the sequence `before`.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn events(
        &self,
        filter: &EventFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        self.store.events(filter, before, limit).await
    }

    /// The signed end of the chain.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn head(&self) -> Result<SignedHead, StoreError> {
        Ok(SignedHead::sign(self.store.audit_head().await?, &self.keys.ring(), self.clock.now()))
    }

    /// Walks the chain from its beginning and names the first broken link. A head that was kept elsewhere must lie on
    /// the chain.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn verify(&self, known: Option<&SignedHead>) -> Result<Verdict, StoreError> {
        if known.is_some_and(|known| !known.is_genuine(&self.keys.ring())) {
            let why = "the known head was not signed by this system: it proves nothing".to_owned();
            return Ok(Verdict { checked: 0, broken: Some((0, why)) });
        }
        // Read first: events that come meanwhile make the chain longer than this, never shorter.
        let head = self.store.audit_head().await?;
        let mut walk = Walk { head: Head { count: 0, hash: ORIGIN }, known: known.map(|known| known.head) };
        loop {
            let events = self.store.events_after(walk.head.count, STRIDE).await?;
            for event in &events {
                if let Err(why) = walk.step(event) {
                    return Ok(Verdict { checked: walk.head.count, broken: Some((walk.head.count + 1, why)) });
                }
            }
            if events.is_empty() {
                break;
            }
        }
        let broken = walk.end(&head).err().map(|why| (walk.head.count + 1, why));
        Ok(Verdict { checked: walk.head.count, broken })
    }
}

/// A walk that has come as far as `head`.
struct Walk {
    head: Head,
    known: Option<Head>,
}

impl Walk {
    fn step(&mut self, event: &Event) -> Result<(), String> {
        let expected = self.head.count + 1;
        if event.sequence != expected {
            return Err(format!("event {expected} is missing: the next one is {}", event.sequence));
        }
        if link(&self.head.hash, event.sequence, event.revision, &event.what) != event.hash {
            return Err(format!("event {expected} is not what was written: its hash does not follow from it"));
        }
        let reached = Head { count: expected, hash: event.hash };
        if self.known.is_some_and(|known| known.count == reached.count && known != reached) {
            return Err(format!("event {expected} is not the one that the known head was signed over"));
        }
        self.head = reached;
        Ok(())
    }

    fn end(&self, head: &Head) -> Result<(), String> {
        let longest = head.count.max(self.known.map_or(0, |known| known.count));
        if self.head.count < longest {
            return Err(format!("the trail ends at event {} and once had {longest}", self.head.count));
        }
        if self.head.count == head.count && self.head.hash != head.hash {
            return Err("the end of the trail is not the one that was kept with it".to_owned());
        }
        Ok(())
    }
}
