//! The mappings in memory: read by every send without a lock, written by the watch.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use papaya::HashMap;
use tokio::time::Instant;

use super::Entry;

/// What is known of an organisation, and since when it has been known to be so.
#[derive(Clone)]
pub(super) struct Slot {
    /// `None`: there is no such organisation.
    pub(super) entry: Option<Arc<Entry>>,
    /// When config-service last said so other than by the stream.
    pub(super) confirmed: Instant,
    /// How old it was then: what was kept of an earlier time has an age from the beginning.
    pub(super) age: Duration,
}

impl Slot {
    fn new(entry: Option<Arc<Entry>>, now: Instant) -> Self {
        Self { entry, confirmed: now, age: Duration::ZERO }
    }
}

/// Absent organisations remembered at most; a caller that makes up ids must not fill the memory.
const MOST_ABSENT: usize = 10_000;

/// All mappings. A snapshot replaces the map as a whole; a change replaces one entry.
pub(super) struct Cache {
    current: ArcSwap<Generation>,
}

struct Generation {
    epoch: String,
    known: HashMap<String, Slot>,
    absent: HashMap<String, Slot>,
}

impl Generation {
    /// Whether an answer of this epoch comes from another life of the store.
    fn is_of_another_life(&self, epoch: &str) -> bool {
        !self.epoch.is_empty() && epoch != self.epoch
    }
}

impl Cache {
    pub(super) fn new() -> Self {
        let empty = Generation { epoch: String::new(), known: HashMap::new(), absent: HashMap::new() };
        Self { current: ArcSwap::from_pointee(empty) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.current.load().known.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.current.load().known.len()
    }

    pub(super) fn get(&self, organization_id: &str) -> Option<Slot> {
        let current = self.current.load();
        let known = current.known.pin().get(organization_id).cloned();
        known.or_else(|| current.absent.pin().get(organization_id).cloned())
    }

    /// Replaces everything by what was so `age` ago.
    pub(super) fn replace_all(&self, epoch: String, entries: Vec<Entry>, now: Instant, age: Duration) {
        let known = HashMap::with_capacity(entries.len());
        {
            let pinned = known.pin();
            for entry in entries {
                let id = entry.organization_id.clone();
                pinned.insert(id, Slot { age, ..Slot::new(Some(Arc::new(entry)), now) });
            }
        }
        self.current.store(Arc::new(Generation { epoch, known, absent: HashMap::new() }));
    }

    /// Replaces one entry; never by an older one of the same epoch. The entry to go by from now on.
    pub(super) fn put(&self, epoch: Option<&str>, entry: Entry, now: Instant) -> Arc<Entry> {
        let current = self.current.load();
        let new = Arc::new(entry);
        if epoch.is_some_and(|epoch| current.is_of_another_life(epoch)) {
            // It is what the store says now; the stream will bring a snapshot to go with it.
            return new;
        }
        current.absent.pin().remove(&new.organization_id);
        let slot = Slot::new(Some(Arc::clone(&new)), now);
        let pinned = current.known.pin();
        pinned.update_or_insert_with(
            new.organization_id.clone(),
            |known| match &known.entry {
                Some(known) if known.revision > new.revision => Slot::new(Some(Arc::clone(known)), now),
                _ => slot.clone(),
            },
            || slot.clone(),
        );
        pinned.get(&new.organization_id).and_then(|slot| slot.entry.clone()).unwrap_or(new)
    }

    /// Forgets one entry.
    pub(super) fn remove(&self, organization_id: &str) {
        self.current.load().known.pin().remove(organization_id);
    }

    /// Remembers that there is no such organisation at a revision. A store that has lost its data, or lags behind, takes
    /// no entry away: that is for the stream to do. The entry to go by from now on.
    pub(super) fn put_absent(
        &self,
        epoch: &str,
        revision: i64,
        organization_id: &str,
        now: Instant,
    ) -> Option<Arc<Entry>> {
        let current = self.current.load();
        let known = current.known.pin().get(organization_id).and_then(|slot| slot.entry.clone());
        if known.as_ref().is_some_and(|known| current.is_of_another_life(epoch) || known.revision > revision) {
            return known;
        }
        current.known.pin().remove(organization_id);
        let absent = current.absent.pin();
        if absent.len() >= MOST_ABSENT {
            absent.clear();
        }
        absent.insert(organization_id.to_owned(), Slot::new(None, now));
        None
    }
}
