//! Can the process do its job? Each part that the answer depends on registers a check and keeps it up to date.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

/// The checks of one service. Clones are the same checks. Ready when every check is ready or degraded.
#[derive(Clone)]
pub struct Readiness {
    inner: Arc<Inner>,
}

struct Inner {
    checks: Mutex<BTreeMap<String, CheckState>>,
    ready: watch::Sender<bool>,
}

/// What a check says, as `/readyz` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "detail", rename_all = "snake_case")]
pub(super) enum CheckState {
    /// All is well.
    Ready,
    /// Does its job, but somebody should look: served from an old snapshot, say.
    Degraded(String),
    /// Cannot do its job.
    NotReady(String),
}

/// One part that readiness depends on.
#[derive(Clone)]
pub struct Check {
    name: String,
    readiness: Readiness,
}

impl Readiness {
    /// No checks: ready.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: Arc::new(Inner { checks: Mutex::new(BTreeMap::new()), ready: watch::Sender::new(true) }) }
    }

    /// Adds a check, not ready ("starting") until it says otherwise. The same name again is the same check.
    pub fn register(&self, name: impl Into<String>) -> Check {
        let name = name.into();
        let mut checks = self.lock();
        checks.entry(name.clone()).or_insert_with(|| CheckState::NotReady("starting".to_owned()));
        self.publish(&checks);
        Check { name, readiness: self.clone() }
    }

    /// Whether every check is ready or degraded.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.inner.ready.borrow()
    }

    /// The same as it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.inner.ready.subscribe()
    }

    /// What every check says.
    pub(super) fn states(&self) -> BTreeMap<String, CheckState> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, CheckState>> {
        self.inner.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called with the checks still locked, so that the last one to change has the last word.
    fn publish(&self, checks: &BTreeMap<String, CheckState>) {
        let ready = !checks.values().any(|state| matches!(state, CheckState::NotReady(_)));
        self.inner.ready.send_if_modified(|published| std::mem::replace(published, ready) != ready);
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.states()).finish()
    }
}

impl Check {
    /// All is well.
    pub fn ready(&self) {
        self.set(CheckState::Ready);
    }

    /// Does its job, but somebody should look; `why` is shown by `/readyz` and never holds a secret.
    pub fn degraded(&self, why: impl Into<String>) {
        self.set(CheckState::Degraded(why.into()));
    }

    /// Cannot do its job; `why` as above.
    pub fn not_ready(&self, why: impl Into<String>) {
        self.set(CheckState::NotReady(why.into()));
    }

    fn set(&self, state: CheckState) {
        let mut checks = self.readiness.lock();
        let before = checks.insert(self.name.clone(), state.clone());
        self.readiness.publish(&checks);
        drop(checks);
        if before.as_ref() != Some(&state) {
            match state {
                CheckState::Ready => tracing::info!(check = self.name, "ready"),
                CheckState::Degraded(why) => tracing::warn!(check = self.name, why, "degraded"),
                CheckState::NotReady(why) => tracing::warn!(check = self.name, why, "not ready"),
            }
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_no_check_objects() {
        let readiness = Readiness::new();
        assert!(readiness.is_ready());
        let history = readiness.register("history");
        let config = readiness.register("config");
        assert!(!readiness.is_ready(), "a new check is still starting");
        history.ready();
        config.degraded("served from a snapshot 10 min old");
        assert!(readiness.is_ready());
        history.not_ready("the database does not answer");
        assert!(!readiness.is_ready());
    }

    #[test]
    fn watchers_hear_of_a_change_and_only_of_a_change() {
        let readiness = Readiness::new();
        let check = readiness.register("history");
        let mut watch = readiness.watch();
        assert!(!*watch.borrow_and_update());
        check.not_ready("still starting");
        assert!(!watch.has_changed().unwrap());
        check.ready();
        assert!(watch.has_changed().unwrap());
        assert!(*watch.borrow_and_update());
    }

    #[test]
    fn registering_a_name_again_keeps_what_it_says() {
        let readiness = Readiness::new();
        readiness.register("history").ready();
        readiness.register("history");
        assert!(readiness.is_ready());
    }
}
