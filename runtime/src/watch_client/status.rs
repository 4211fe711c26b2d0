//! What the subscription knows about itself, readable without a lock on the way of a send.

use std::{
    sync::{
        Mutex, PoisonError,
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
}

impl WatchStatus {
    pub(super) fn new(position: Option<Position>, silence: Duration) -> Self {
        Self {
            started: Instant::now(),
            silence,
            connected: AtomicBool::new(false),
            last_heard: AtomicU64::new(0),
            revision: AtomicI64::new(position.as_ref().map_or(0, |position| position.revision)),
            position: Mutex::new(position),
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

    /// When anything last came over a stream; `None`: never.
    pub fn last_heard(&self) -> Option<Instant> {
        let micros = self.last_heard.load(Ordering::Acquire);
        (micros > 0).then(|| self.started + Duration::from_micros(micros))
    }

    /// The last revision applied; 0: none.
    pub fn revision(&self) -> i64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The last revision applied, and its epoch.
    pub fn position(&self) -> Option<Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
    }
}
