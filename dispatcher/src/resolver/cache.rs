//! The mappings in memory: read by every send without a lock, written by the watch and by answers to questions.
//!
//! What is known never goes back: each slot knows as of which revision it holds, and the stream as of which revision it
//! has brought everything. An answer that was read before that (by a replica that lags behind, or on a slow way) changes
//! nothing; in particular it brings no deleted organisation back.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use papaya::HashMap;
use switchboard_runtime::watch_client::Position;
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
    /// The revision as of which it is so.
    as_of: i64,
}

impl Slot {
    fn new(entry: Option<Arc<Entry>>, now: Instant, as_of: i64) -> Self {
        Self { entry, confirmed: now, age: Duration::ZERO, as_of }
    }
}

/// Absent organisations remembered at most; a caller that makes up ids must not fill the memory.
const MOST_ABSENT: usize = 10_000;

/// All mappings. A snapshot replaces the map as a whole; a change replaces one entry.
pub(super) struct Cache {
    current: ArcSwap<Generation>,
    /// Whoever writes holds this: looking at what is there and replacing it is one step.
    writing: Mutex<()>,
}

struct Generation {
    epoch: String,
    /// The revision up to which the stream has brought everything.
    brought: AtomicI64,
    /// Operators choose these ids, so that no caller can make them collide.
    known: HashMap<String, Slot, foldhash::fast::RandomState>,
    absent: HashMap<String, Slot>,
}

impl Generation {
    fn of(position: &Position) -> Self {
        Self {
            epoch: position.epoch.clone(),
            brought: AtomicI64::new(position.revision),
            known: HashMap::default(),
            absent: HashMap::new(),
        }
    }

    /// Whether an answer of this epoch comes from another life of the store.
    fn is_of_another_life(&self, epoch: &str) -> bool {
        !self.epoch.is_empty() && epoch != self.epoch
    }

    fn get(&self, organization_id: &str) -> Option<Slot> {
        let known = self.known.pin().get(organization_id).cloned();
        known.or_else(|| self.absent.pin().get(organization_id).cloned())
    }

    fn put(&self, organization_id: &str, slot: Slot) {
        if slot.entry.is_some() {
            self.known.pin().insert(organization_id.to_owned(), slot);
            self.absent.pin().remove(organization_id);
            return;
        }
        let absent = self.absent.pin();
        if absent.len() >= MOST_ABSENT {
            absent.clear();
        }
        absent.insert(organization_id.to_owned(), slot);
        self.known.pin().remove(organization_id);
    }
}

impl Cache {
    pub(super) fn new() -> Self {
        let nothing = Position { revision: 0, epoch: String::new() };
        Self { current: ArcSwap::from_pointee(Generation::of(&nothing)), writing: Mutex::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.current.load().known.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.current.load().known.len()
    }

    /// What there is of an organisation by what is known.
    pub(super) fn entry(&self, organization_id: &str) -> Option<Arc<Entry>> {
        // Of absent ones nothing but their absence is remembered.
        self.current.load().known.pin().get(organization_id)?.entry.clone()
    }

    pub(super) fn get(&self, organization_id: &str) -> Option<Slot> {
        self.current.load().get(organization_id)
    }

    /// Everything as of a position: the stream has brought it, or it was kept and was so `age` ago.
    pub(super) fn replace_all(&self, position: &Position, entries: Vec<Entry>, now: Instant, age: Duration) {
        let mut generation = Generation::of(position);
        generation.known = HashMap::with_capacity_and_hasher(entries.len(), foldhash::fast::RandomState::default());
        {
            let known = generation.known.pin();
            for entry in entries {
                let organization_id = entry.organization_id.clone();
                known.insert(organization_id, Slot { age, ..Slot::new(Some(entry.into()), now, position.revision) });
            }
        }
        let _writing = self.write();
        self.current.store(Arc::new(generation));
    }

    /// The stream has brought the change of a revision, and with it what there is of an organisation.
    pub(super) fn change(&self, revision: i64, organization_id: &str, entry: Option<Entry>, now: Instant) {
        let _writing = self.write();
        let current = self.current.load();
        // The entry is never older than the change, and may be newer.
        let as_of = entry.as_ref().map_or(revision, |entry| entry.revision.max(revision));
        if current.get(organization_id).is_none_or(|known| known.as_of <= as_of) {
            match entry {
                Some(entry) => current.put(organization_id, Slot::new(Some(entry.into()), now, as_of)),
                // From now on the stream itself says that it is not there.
                None => drop(current.known.pin().remove(organization_id).cloned()),
            }
        }
        current.brought.store(revision, Ordering::Release);
    }

    /// Config-service has answered what there is of an organisation as of a position. The entry to go by from now on.
    pub(super) fn answer(
        &self,
        position: &Position,
        organization_id: &str,
        entry: Option<Entry>,
        now: Instant,
    ) -> Option<Arc<Entry>> {
        let _writing = self.write();
        let current = self.current.load();
        let known = current.get(organization_id);
        let entry = entry.map(Arc::new);
        if current.is_of_another_life(&position.epoch) {
            // It is what the store says now, and the stream will bring a snapshot to go with it. A store that has lost
            // its data takes no entry away: that is for the stream to do.
            return entry.or_else(|| known.and_then(|slot| slot.entry));
        }
        let as_of = known.as_ref().map_or(0, |slot| slot.as_of).max(current.brought.load(Ordering::Acquire));
        let known = known.and_then(|slot| slot.entry);
        let goes_back = matches!((&known, &entry), (Some(known), Some(entry)) if entry.revision < known.revision);
        if position.revision < as_of || goes_back {
            return known;
        }
        current.put(organization_id, Slot::new(entry.clone(), now, position.revision));
        entry
    }

    fn write(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ACME: &str = "acme";

    fn at(revision: i64) -> Position {
        Position { revision, epoch: "e1".to_owned() }
    }

    fn entry(revision: i64) -> Entry {
        Entry {
            organization_id: ACME.to_owned(),
            revision,
            primary: None,
            channel_overrides: BTreeMap::new(),
            failover: Vec::new(),
            canary: None,
            accounts: BTreeMap::new(),
        }
    }

    /// The stream has brought everything up to revision 10; `acme` last changed with revision 5.
    fn cache() -> Cache {
        let cache = Cache::new();
        cache.replace_all(&at(10), vec![entry(5)], Instant::now(), Duration::ZERO);
        cache
    }

    fn known(cache: &Cache) -> Option<i64> {
        Some(cache.get(ACME)?.entry?.revision)
    }

    fn answer(cache: &Cache, revision: i64, entry: Option<Entry>) -> Option<i64> {
        Some(cache.answer(&at(revision), ACME, entry, Instant::now())?.revision)
    }

    #[test]
    fn an_answer_from_before_a_deletion_does_not_bring_the_organisation_back() {
        let cache = cache();
        cache.change(11, ACME, None, Instant::now());
        assert_eq!(answer(&cache, 10, Some(entry(5))), None);
        assert_eq!(known(&cache), None);
        assert_eq!(answer(&cache, 12, Some(entry(12))), Some(12), "made anew");
        assert_eq!(known(&cache), Some(12));
    }

    #[test]
    fn an_answer_from_before_another_answer_changes_nothing() {
        let cache = cache();
        assert_eq!(answer(&cache, 15, None), None);
        assert_eq!(answer(&cache, 14, Some(entry(13))), None, "deleted with 15");
        assert_eq!(answer(&cache, 17, Some(entry(16))), Some(16));
        assert_eq!(answer(&cache, 16, None), Some(16));
        assert_eq!(known(&cache), Some(16));
    }

    #[test]
    fn a_change_that_is_on_its_way_does_not_undo_a_later_answer() {
        let cache = cache();
        assert_eq!(answer(&cache, 15, Some(entry(14))), Some(14));
        cache.change(11, ACME, Some(entry(11)), Instant::now());
        cache.change(12, ACME, None, Instant::now());
        assert_eq!(known(&cache), Some(14));
        cache.change(16, ACME, None, Instant::now());
        assert_eq!(known(&cache), None);
    }

    #[test]
    fn a_store_of_another_life_takes_nothing_away() {
        let cache = cache();
        let other = Position { revision: 3, epoch: "e2".to_owned() };
        assert_eq!(cache.answer(&other, ACME, None, Instant::now()).unwrap().revision, 5);
        assert_eq!(cache.answer(&other, ACME, Some(entry(2)), Instant::now()).unwrap().revision, 2);
        assert_eq!(known(&cache), Some(5));
    }
}
