//! The last known good configuration, kept so that a dispatcher can start without config-service.
//!
//! Everything that the watch brings is remembered here in its raw form too. Once changes have settled, it is sealed and
//! put on a [`Shelf`]; and again from time to time while the watch is healthy, since its age counts from when it was last
//! known to be so. A dispatcher with nothing in its memory takes it from there.

mod seal;
mod shelf;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use prost::Message as _;
use switchboard_proto::config::v1::{Change, OrganizationEntry};
use switchboard_runtime::{
    Lifecycle, SharedClock,
    watch_client::{Position, Recalled, WatchStatus},
};
use tokio::{sync::Notify, time::Instant};
use zeroize::Zeroizing;

use self::{
    seal::{Label, Unusable, open, seal},
    shelf::{Shelf, ShelfError},
};
pub use self::{
    seal::{SnapshotKey, SnapshotKeyError},
    shelf::{FileShelf, RedisShelf},
};

/// Changes have settled when none has come for so long.
const QUIET: Duration = Duration::from_secs(1);
/// Changes that never settle are kept after so long nevertheless.
const LONGEST: Duration = Duration::from_secs(10);
/// What has not changed is confirmed so often, at most.
const CONFIRM: Duration = Duration::from_secs(300);
/// After a shelf could not be reached, or the watch was not healthy.
const AGAIN: Duration = Duration::from_secs(10);
/// How long a start may wait for a shelf.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps the last known good configuration.
pub struct Kept {
    shelf: Arc<dyn Shelf>,
    key: Arc<SnapshotKey>,
    max_stale: Duration,
    clock: SharedClock,
    content: Mutex<Content>,
    changed: Notify,
    /// The last complaint, so that it is made once.
    complaint: Mutex<String>,
}

#[derive(Default)]
struct Content {
    position: Option<Position>,
    /// By organisation, each with its length before it.
    entries: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// Whether it has changed since it was last put on the shelf.
    unsaved: bool,
}

impl Kept {
    /// In Redis, where all dispatchers with this key find it.
    pub fn in_redis(shelf: RedisShelf, key: SnapshotKey, max_stale: Duration, clock: SharedClock) -> Self {
        Self::on(Arc::new(shelf), key, max_stale, clock)
    }

    /// In a file of this machine.
    pub fn in_file(path: &Path, key: SnapshotKey, max_stale: Duration, clock: SharedClock) -> Self {
        Self::on(Arc::new(FileShelf::new(path.to_owned())), key, max_stale, clock)
    }

    fn on(shelf: Arc<dyn Shelf>, key: SnapshotKey, max_stale: Duration, clock: SharedClock) -> Self {
        Self {
            shelf,
            key: Arc::new(key),
            max_stale,
            clock,
            content: Mutex::default(),
            changed: Notify::new(),
            complaint: Mutex::default(),
        }
    }

    /// The watch has brought a snapshot.
    pub(super) fn replaced(&self, entries: &[OrganizationEntry], position: &Position) {
        let entries = entries.iter().map(|entry| (entry.organization_id.clone(), frame(entry))).collect();
        *self.content() = Content { position: Some(position.clone()), entries, unsaved: true };
        self.changed.notify_one();
    }

    /// The watch has brought a change.
    pub(super) fn changed(&self, change: &Change) {
        let mut content = self.content();
        match &change.entry {
            Some(entry) => drop(content.entries.insert(change.organization_id.clone(), frame(entry))),
            None => drop(content.entries.remove(&change.organization_id)),
        }
        if let Some(position) = &mut content.position {
            position.revision = change.revision;
        }
        content.unsaved = true;
        drop(content);
        self.changed.notify_one();
    }

    /// What was kept, if it may be used.
    pub(super) async fn recall(&self) -> Option<(Vec<OrganizationEntry>, Recalled)> {
        let sealed = match tokio::time::timeout(PATIENCE, self.shelf.take()).await {
            Ok(Ok(sealed)) => sealed?,
            Ok(Err(error)) => return self.complain("a kept configuration cannot be looked for", &error.to_string()),
            Err(_) => return self.complain("a kept configuration cannot be looked for", "it takes too long"),
        };
        match self.open(sealed) {
            Ok(found) => Some(found),
            Err(why) => {
                metrics::counter!("switchboard_config_snapshot_refused_total").increment(1);
                self.complain("a kept configuration is not used", &why.to_string())
            }
        }
    }

    fn open(&self, sealed: Vec<u8>) -> Result<(Vec<OrganizationEntry>, Recalled), Unusable> {
        let (label, content) = open(&self.key, sealed)?;
        let age = (self.clock.now() - label.confirmed).max(TimeDelta::zero()).to_std().unwrap_or(Duration::MAX);
        if age >= self.max_stale {
            return Err(Unusable::TooOld(label.confirmed));
        }
        let mut entries = Vec::new();
        let mut rest = content.as_slice();
        while !rest.is_empty() {
            entries.push(OrganizationEntry::decode_length_delimited(&mut rest).map_err(|_| Unusable::Entry)?);
        }
        let resumable = label.is_of_this_contract();
        tracing::warn!(
            organizations = entries.len(),
            revision = label.position.revision,
            age_seconds = age.as_secs(),
            "starting from a kept configuration until config-service is heard"
        );
        *self.content() = Content {
            position: Some(label.position.clone()),
            entries: entries.iter().map(|entry| (entry.organization_id.clone(), frame(entry))).collect(),
            unsaved: false,
        };
        Ok((entries, Recalled { position: label.position, age, resumable }))
    }

    fn complain<T>(&self, what: &'static str, why: &str) -> Option<T> {
        let mut last = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != why {
            tracing::error!(why, "{what}");
            why.clone_into(&mut last);
        }
        None
    }

    /// Starts keeping; what has not been kept is kept before the process ends.
    pub(super) fn start(self: Arc<Self>, status: Arc<WatchStatus>, lifecycle: &Lifecycle) {
        let draining = lifecycle.draining();
        lifecycle.spawn("kept configuration", async move {
            draining.run_until_cancelled(self.keep(&status)).await;
            let unsaved = self.content().unsaved;
            if unsaved && status.is_healthy(Instant::now()) {
                let last = tokio::time::timeout(PATIENCE, self.save()).await;
                if !matches!(last, Ok(Ok(()))) {
                    tracing::warn!("the last changes of the configuration are not kept for the next start");
                }
            }
            Ok(())
        });
    }

    async fn keep(&self, status: &WatchStatus) {
        let confirm = CONFIRM.min(self.max_stale / 10).max(QUIET);
        let mut next = Instant::now() + confirm;
        loop {
            tokio::select! {
                () = self.changed.notified() => self.settled().await,
                () = tokio::time::sleep_until(next) => {}
            }
            let now = Instant::now();
            // What the watch does not vouch for now may be older than what another dispatcher has kept.
            if !status.is_healthy(now) {
                next = now + AGAIN;
                continue;
            }
            next = match self.save().await {
                Ok(()) => now + confirm,
                Err(error) => {
                    tracing::warn!(%error, "the configuration cannot be kept for a start without config-service");
                    metrics::counter!("switchboard_config_snapshot_failures_total").increment(1);
                    now + AGAIN
                }
            };
        }
    }

    async fn settled(&self) {
        let until = Instant::now() + LONGEST;
        loop {
            let quiet = (Instant::now() + QUIET).min(until);
            if tokio::time::timeout_at(quiet, self.changed.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Puts what there is on the shelf, unless another dispatcher has just done so.
    async fn save(&self) -> Result<(), ShelfError> {
        let Some((label, content)) = self.copy() else { return Ok(()) };
        let there = self.shelf.label().await?;
        let recent = label.confirmed - TimeDelta::from_std(CONFIRM / 2).unwrap_or_default();
        let is_there = there.is_some_and(|there| {
            there.supersedes(&label) || (there.position == label.position && there.confirmed > recent)
        });
        if !is_there {
            let (key, sealing) = (Arc::clone(&self.key), label.clone());
            let sealed = tokio::task::spawn_blocking(move || seal(&key, &sealing, content)).await;
            let sealed = sealed.ok().flatten().ok_or_else(|| ShelfError("it cannot be sealed".to_owned()))?;
            let put = self.shelf.put(&label, sealed).await?;
            tracing::debug!(revision = label.position.revision, put, "configuration kept");
        }
        let mut now = self.content();
        if now.position.as_ref() == Some(&label.position) {
            now.unsaved = false;
        }
        Ok(())
    }

    fn copy(&self) -> Option<(Label, Zeroizing<Vec<u8>>)> {
        let content = self.content();
        let position = content.position.clone()?;
        let mut copy = Zeroizing::new(Vec::with_capacity(content.entries.values().map(|entry| entry.len()).sum()));
        for entry in content.entries.values() {
            copy.extend_from_slice(entry);
        }
        Some((Label::new(position, self.clock.now()), copy))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn frame(entry: &OrganizationEntry) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(entry.encode_length_delimited_to_vec())
}

#[cfg(test)]
mod tests;
