//! What the subscription knows about itself, readable without a lock on the way of a send.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// A point in the life of config-service's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last revision applied.
    pub revision: i64,
    /// The life of the store that it belongs to: revisions of two epochs cannot be compared.
    pub epoch: String,
}

/// What a sink was filled with before any stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// Where it stood.
    pub position: Position,
    /// How long ago it was last known to be so.
    pub age: Duration,
    /// Whether a stream may go on from there. Otherwise it begins with a snapshot: another version of this program has
    /// kept it, and may not have known everything that this one wants to know.
    pub resumable: bool,
}

/// How a subscription stands.
#[derive(Debug)]
pub struct WatchStatus {
    started: Instant,
    silence: Duration,
    connected: AtomicBool,
    /// Microseconds after `started`.
    last_heard: AtomicU64,
    revision: AtomicI64,
    position: Mutex<Option<Position>>,
    kept: Mutex<Option<Kept>>,
}

/// What is in the sink from an earlier time, until a stream brings something newer.
#[derive(Clone, Copy, Debug)]
struct Kept {
    revision: i64,
    since: Instant,
    /// How old it was then.
    age: Duration,
}

impl WatchStatus {
    pub(super) fn new(silence: Duration) -> Self {
        Self {
            started: Instant::now(),
            silence,
            connected: AtomicBool::new(false),
            last_heard: AtomicU64::new(0),
            revision: AtomicI64::new(0),
            position: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// Whether the stream is proven healthy: it is in step, and something came over it less than three heartbeats ago.
    pub fn is_healthy(&self, now: Instant) -> bool {
        self.is_connected() && self.last_heard().is_some_and(|heard| now.duration_since(heard) < self.silence)
    }

    /// Whether a stream is open that has brought this node into step.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    /// When anything last came over a stream that had brought this node into step; `None`: never.
    pub fn last_heard(&self) -> Option<Instant> {
        let micros = self.last_heard.load(Ordering::Acquire);
        (micros > 0).then(|| self.started + Duration::from_micros(micros))
    }

    /// How long ago what is there was last known to be so; `None`: nothing is there.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        match self.last_heard() {
            Some(heard) => Some(now.duration_since(heard)),
            None => lock(&self.kept).map(|kept| kept.age + now.duration_since(kept.since)),
        }
    }

    /// The last revision applied; 0: none.
    pub fn revision(&self) -> i64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The last revision applied, and its epoch.
    pub fn position(&self) -> Option<Position> {
        lock(&self.position).clone()
    }

    pub(super) fn has_content(&self) -> bool {
        lock(&self.position).is_some() || lock(&self.kept).is_some()
    }

    /// What is there, for people.
    pub(super) fn description(&self) -> String {
        match (self.last_heard(), *lock(&self.kept)) {
            (None, Some(kept)) => format!("a kept snapshot (revision {})", kept.revision),
            _ => format!("revision {}", self.revision()),
        }
    }

    pub(super) fn recalled(&self, recalled: &Recalled, now: Instant) {
        let Recalled { position, age, resumable } = recalled;
        *lock(&self.kept) = Some(Kept { revision: position.revision, since: now, age: *age });
        if *resumable {
            self.moved_to(position.clone());
        }
    }

    pub(super) fn heard(&self, now: Instant) {
        let micros = u64::try_from(now.duration_since(self.started).as_micros()).unwrap_or(u64::MAX);
        self.last_heard.store(micros.max(1), Ordering::Release);
    }

    pub(super) fn connected(&self) {
        self.connected.store(true, Ordering::Release);
    }

    pub(super) fn disconnected(&self) {
        self.connected.store(false, Ordering::Release);
    }

    pub(super) fn moved_to(&self, position: Position) {
        self.revision.store(position.revision, Ordering::Release);
        *lock(&self.position) = Some(position);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
