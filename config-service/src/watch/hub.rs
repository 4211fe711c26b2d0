//! Follows the store and hands every committed change to every subscriber.
//!
//! Each change is read and opened once, however many subscribe. Every subscriber has a bounded queue; one that lets it
//! overflow is ended and resumes from the store, so that nobody's slowness costs memory or holds up the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use switchboard_runtime::{Ids, Lifecycle, SharedClock, http::Check};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    time::{Instant, timeout},
};

use super::{Ended, Entry, Opener, Read, Resume, Wake, WatchTimes};
use crate::{
    audit::{Draft, FieldChange, OK},
    store::{ChangeRecord, Position, Store, StoreError},
};

/// Changes that are read at once.
const STRIDE: u32 = 256;
/// Snapshots that are streamed at once; each holds a connection.
const SNAPSHOTS: usize = 6;
/// How long the store may take to say what is new: a connection that has fallen silent stays so.
const SILENCE: Duration = Duration::from_secs(5);

/// A committed change with what there is of the organisation now.
#[derive(Clone, Debug)]
pub struct Delta {
    /// Its revision.
    pub revision: i64,
    /// The organisation.
    pub organization_id: String,
    /// What there is of it, never older than the revision; `None`: it is gone.
    pub entry: Option<Arc<Entry>>,
}

/// The hub of a replica. Clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub store: Arc<dyn Store>,
    pub opener: Opener,
    pub times: WatchTimes,
    pub clock: SharedClock,
    pub snapshots: Semaphore,
    wake: Arc<dyn Wake>,
    ids: Ids,
    committed: Notify,
    /// Whoever moves the position holds this.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

struct State {
    /// How far the subscribers' queues have been filled.
    position: Position,
    /// The highest revision that a subscriber has read from the store, which may be ahead of this hub.
    seen: i64,
    queues: HashMap<u64, Queue>,
    joined: u64,
    /// When the store last said that there is nothing else.
    confirmed: Instant,
}

struct Queue {
    sender: mpsc::Sender<Arc<Delta>>,
    end: Arc<OnceLock<Ended>>,
}

/// A subscriber's place in the hub. Dropped, it is free.
pub(super) struct Place {
    pub queue: mpsc::Receiver<Arc<Delta>>,
    /// Everything after this comes through the queue.
    pub position: Position,
    end: Arc<OnceLock<Ended>>,
    number: u64,
    hub: Hub,
}

impl Hub {
    /// A hub that begins where the store is.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn new(
        store: Arc<dyn Store>,
        opener: Opener,
        wake: Arc<dyn Wake>,
        times: WatchTimes,
        clock: SharedClock,
        ids: Ids,
    ) -> Result<Self, StoreError> {
        let position = store.position().await?;
        let state = State { position, seen: 0, queues: HashMap::new(), joined: 0, confirmed: Instant::now() };
        let inner = Inner {
            store,
            opener,
            times,
            clock,
            snapshots: Semaphore::new(SNAPSHOTS),
            wake,
            ids,
            committed: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Starts following the store.
    pub fn start(&self, check: Check, lifecycle: &Lifecycle) {
        let (hub, stopped) = (self.clone(), lifecycle.draining());
        lifecycle.spawn("configuration changes", async move {
            stopped.run_until_cancelled(hub.follow(check)).await;
            hub.end_all(&Ended::Draining);
            Ok(())
        });
    }

    /// A revision has been committed by this replica: subscribers and the other replicas get it now.
    pub fn committed(&self, revision: i64) {
        self.inner.committed.notify_one();
        self.inner.wake.committed(revision);
    }

    /// Where the subscribers' queues are.
    pub fn position(&self) -> Position {
        self.state().position.clone()
    }

    /// Where the store is.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub async fn store_position(&self) -> Result<Position, StoreError> {
        self.inner.store.position().await
    }

    /// What there is of an organisation now, straight from the store.
    ///
    /// # Errors
    ///
    /// When it cannot be read or opened.
    pub async fn resolve(&self, organization_id: &str) -> Result<(Option<Entry>, Position), StoreError> {
        let (sealed, position) = self.inner.store.entry(organization_id).await?;
        Ok((sealed.map(|sealed| self.inner.opener.open(sealed, Read::Now)).transpose()?, position))
    }

    /// What a subscriber has applied before it says so: what it resumes from, if that is of this epoch.
    pub fn already_applied(&self, resume: &Resume) -> i64 {
        let position = self.position();
        if resume.epoch == position.epoch { resume.revision.min(position.revision) } else { 0 }
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Whether the store has lately been seen to hold nothing else. Without that a heartbeat would be a lie.
    pub(super) fn is_current(&self) -> bool {
        let times = &self.inner.times;
        self.state().confirmed.elapsed() < times.heartbeat.max(times.poll * 4)
    }

    /// Takes a place for a subscriber that has been sent everything up to `sent`: from now on every change comes through
    /// its queue.
    pub(super) fn join(&self, sent: i64) -> Place {
        let (sender, queue) = mpsc::channel(self.inner.times.queue.max(1));
        let end = Arc::new(OnceLock::new());
        let mut state = self.state();
        state.joined += 1;
        state.seen = state.seen.max(sent);
        let number = state.joined;
        state.queues.insert(number, Queue { sender, end: Arc::clone(&end) });
        Place { queue, position: state.position.clone(), end, number, hub: self.clone() }
    }

    /// The store was restored: begins a new epoch unless somebody has already, and sends everybody away to begin anew.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub(super) async fn begin_epoch(&self, seen: &Position, known_revision: i64) -> Result<(), StoreError> {
        let _turn = self.inner.turn.lock().await;
        self.new_epoch(seen, known_revision).await
    }

    async fn new_epoch(&self, seen: &Position, known_revision: i64) -> Result<(), StoreError> {
        let at = self.inner.clock.now();
        let epoch = self.inner.ids.next(at);
        tracing::warn!(
            revision = seen.revision,
            known_revision,
            "the store knows less than its subscribers: it was restored, a new epoch begins"
        );
        let event = Draft {
            at,
            actor: "system".to_owned(),
            roles: Vec::new(),
            action: "BeginEpoch".to_owned(),
            organization_id: String::new(),
            provider: String::new(),
            outcome: OK.to_owned(),
            changes: vec![
                FieldChange::open("epoch", seen.epoch.as_str(), epoch.as_str()),
                FieldChange::open("revision", known_revision.to_string(), seen.revision.to_string()),
            ],
            forced: false,
            request_id: String::new(),
            peer: String::new(),
        };
        self.inner.store.begin_epoch(&seen.epoch, &epoch, event).await?;
        let position = self.inner.store.position().await?;
        self.restart(position);
        Ok(())
    }

    async fn follow(&self, check: Check) {
        let mut failing = false;
        loop {
            match timeout(SILENCE, self.catch_up()).await {
                Ok(Ok(())) => {
                    failing = false;
                    check.ready();
                }
                Err(_) => {
                    failing = true;
                    check.not_ready("the configuration store does not answer");
                }
                Ok(Err(error)) => {
                    if !failing {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "the configuration store cannot be read"
                        );
                    }
                    failing = true;
                    check.not_ready(match error {
                        StoreError::KeyMissing { .. } => "the key ring does not have the key of stored credentials",
                        _ => "the configuration store cannot be read",
                    });
                }
            }
            tokio::select! {
                () = self.inner.committed.notified() => {}
                () = self.inner.wake.woken() => {}
                () = tokio::time::sleep(self.inner.times.poll) => {}
            }
        }
    }

    /// Hands on everything that has been committed since the last time.
    async fn catch_up(&self) -> Result<(), StoreError> {
        let store = &self.inner.store;
        let _turn = self.inner.turn.lock().await;
        // Looked at before the store: what has been seen by then, the store must still know.
        let (known, seen) = {
            let state = self.state();
            (state.position.clone(), state.seen.max(state.position.revision))
        };
        let position = store.position().await?;
        if position.epoch != known.epoch {
            self.restart(position);
        } else if position.revision < seen {
            self.new_epoch(&position, seen).await?;
        } else {
            let mut at = known.revision;
            while at < position.revision {
                let records = store.changes_after(at, STRIDE).await?;
                match records.first() {
                    Some(first) if first.revision == at + 1 => at = self.hand_on(records).await?,
                    // Away for longer than the retention: what is missing cannot be replayed. Or restored just now.
                    _ => {
                        let now = store.position().await?;
                        if now.revision < position.revision {
                            self.new_epoch(&now, position.revision).await?;
                        } else {
                            self.restart(now);
                        }
                        break;
                    }
                }
            }
        }
        self.state().confirmed = Instant::now();
        Ok(())
    }

    async fn hand_on(&self, records: Vec<ChangeRecord>) -> Result<i64, StoreError> {
        // One look at each organisation serves all of its changes that were visible before it.
        let mut entries: HashMap<String, Option<Arc<Entry>>> = HashMap::new();
        for record in &records {
            if !entries.contains_key(&record.organization_id) {
                let (sealed, _) = self.inner.store.entry(&record.organization_id).await?;
                let entry = sealed.map(|sealed| self.inner.opener.open(sealed, Read::Now)).transpose()?;
                entries.insert(record.organization_id.clone(), entry.map(Arc::new));
            }
        }
        let mut last = 0;
        for ChangeRecord { revision, organization_id, .. } in records {
            let entry = entries.get(&organization_id).cloned().flatten();
            self.broadcast(&Arc::new(Delta { revision, organization_id, entry }));
            last = revision;
        }
        Ok(last)
    }

    fn broadcast(&self, delta: &Arc<Delta>) {
        let mut state = self.state();
        state.position.revision = delta.revision;
        state.queues.retain(|_, queue| {
            let kept = queue.sender.try_send(Arc::clone(delta));
            if let Err(mpsc::error::TrySendError::Full(_)) = kept {
                metrics::counter!("switchboard_config_subscribers_overflowed_total").increment(1);
                let _ = queue.end.set(Ended::Lagging);
            }
            kept.is_ok()
        });
    }

    /// Goes on from `position`, which does not follow from what the subscribers have.
    fn restart(&self, position: Position) {
        self.end_all(&Ended::Restarted);
        let mut state = self.state();
        if state.position.epoch != position.epoch {
            state.seen = 0;
        }
        state.position = position;
    }

    fn end_all(&self, why: &Ended) {
        for (_, queue) in self.state().queues.drain() {
            let _ = queue.end.set(why.clone());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Why the queue was closed.
    pub fn end(&self) -> Ended {
        self.end.get().cloned().unwrap_or(Ended::Draining)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.state().queues.remove(&self.number);
    }
}
