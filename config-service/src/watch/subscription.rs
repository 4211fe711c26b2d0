//! One subscriber, from hello to its end.
//!
//! First it is brought into step from the store (a replay or a snapshot, then whatever came meanwhile), and only then it
//! takes its place in the hub, so that nothing waits in memory while a long snapshot is read. Between the two is no gap:
//! what the hub has handed on by then is replayed once more from the store, and what comes twice is dropped by revision.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt as _};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    Entry, Hub, NodeHandle, NodeKind, Read,
    hub::{Delta, Inner, Place},
    resume::{Plan, Resume},
};
use crate::store::{Position, SealedEntry, SnapshotScope, StoreError};

/// Entries in one part of a snapshot.
const PART: u32 = 256;
/// Changes that are read at once.
const STRIDE: u32 = 256;

/// Something for a subscriber.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// What follows replaces all.
    SnapshotBegin {
        /// As of when.
        position: Position,
        /// How many entries will come.
        count: i64,
    },
    /// A part of a snapshot.
    Entries(Vec<Entry>),
    /// The snapshot is complete.
    SnapshotEnd {
        /// The revision it shows.
        revision: i64,
    },
    /// An organisation changed.
    Change(Arc<Delta>),
    /// The stream is alive, and this is the current revision.
    Heartbeat {
        /// The revision.
        revision: i64,
        /// The epoch.
        epoch: String,
    },
}

/// Something from a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A revision has been applied.
    Ack(i64),
    /// A revision could not be applied.
    Nack(i64, String),
    /// Something of a newer version.
    Nothing,
    /// Something that has no place here.
    Nonsense(&'static str),
    /// The connection broke.
    Broken,
}

/// Why a stream ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Its queue overflowed.
    #[error("this subscriber does not keep up: resume")]
    Lagging,
    /// It has left what it was sent unread, or unacknowledged.
    #[error("this subscriber has not {0} for {1:?}: resume")]
    Silent(&'static str, Duration),
    /// A newer stream of the same node took over.
    #[error("another stream of this node has taken over: give every process its own node_id")]
    Replaced,
    /// Revisions do not follow from what it has: the store was restored, or has forgotten what comes next.
    #[error("the changes do not follow from what this subscriber has: begin anew")]
    Restarted,
    /// It broke the protocol.
    #[error("{0}")]
    Misbehaved(&'static str),
    /// It has gone.
    #[error("the subscriber has gone")]
    Gone,
    /// This replica ends.
    #[error("config-service is shutting down: connect again")]
    Draining,
    /// The store cannot be read.
    #[error("the configuration store is not available")]
    StoreUnavailable,
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a subscriber could not be served");
        Self::StoreUnavailable
    }
}

/// A subscriber's stream.
pub struct Subscription {
    hub: Hub,
    node: NodeHandle,
    kind: NodeKind,
    resume: Resume,
    out: mpsc::Sender<Delivery>,
    /// The last revision that it has been sent: the most that it can have applied.
    sent: AtomicI64,
}

/// What was sent last, and since when it waits to be acknowledged.
struct Progress {
    epoch: String,
    sent: i64,
    unacknowledged: Option<(i64, Instant)>,
}

impl Subscription {
    /// A stream of `node` that goes on from `resume`; everything for it goes to `out`.
    pub fn new(hub: Hub, node: NodeHandle, kind: NodeKind, resume: Resume, out: mpsc::Sender<Delivery>) -> Self {
        Self { hub, node, kind, resume, out, sent: AtomicI64::new(0) }
    }

    /// Lives through the stream, and says why it ended.
    pub async fn run(&self, heard: impl Stream<Item = Heard> + Send + Unpin) -> Ended {
        let ended = tokio::select! {
            ended = self.deliver() => ended,
            ended = self.listen(heard) => ended,
            () = self.node.replaced().cancelled() => Ended::Replaced,
            () = self.out.closed() => Ended::Gone,
        };
        tracing::info!(node_id = self.node.node_id(), kind = self.kind.as_str(), why = %ended, "watch ended");
        metrics::counter!("switchboard_config_watch_ended_total", "node_kind" => self.kind.as_str()).increment(1);
        ended
    }

    async fn listen(&self, mut heard: impl Stream<Item = Heard> + Send + Unpin) -> Ended {
        while let Some(heard) = heard.next().await {
            match heard {
                Heard::Ack(revision) if revision > self.sent.load(Ordering::Acquire) => {
                    return Ended::Misbehaved("ack.revision is one that this stream has not been sent");
                }
                Heard::Nack(revision, _) if revision > self.sent.load(Ordering::Acquire) => {
                    return Ended::Misbehaved("nack.revision is one that this stream has not been sent");
                }
                Heard::Ack(revision) => self.node.ack(revision),
                Heard::Nack(revision, reason) => {
                    tracing::error!(node_id = self.node.node_id(), revision, reason, "a node refuses a revision");
                    metrics::counter!("switchboard_config_nacks_total", "node_kind" => self.kind.as_str()).increment(1);
                    self.node.nack(revision, &reason);
                }
                Heard::Nothing => {}
                Heard::Nonsense(what) => return Ended::Misbehaved(what),
                Heard::Broken => return Ended::Gone,
            }
        }
        // It has nothing more to say, and may well go on reading.
        std::future::pending().await
    }

    async fn deliver(&self) -> Ended {
        match self.deliver_until().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn deliver_until(&self) -> Result<std::convert::Infallible, Ended> {
        let mut progress = self.begin().await?;
        self.replay(&mut progress).await?;
        let place = self.hub.join(progress.sent);
        if place.position.epoch != progress.epoch {
            return Err(Ended::Restarted);
        }
        if place.position.revision > progress.sent {
            self.replay(&mut progress).await?;
        }
        if place.position.revision > progress.sent {
            // The store has forgotten what comes next since it was looked at: it will never come through the queue.
            return Err(Ended::Restarted);
        }
        self.live(place, progress).await
    }

    /// Brings the subscriber to some revision.
    async fn begin(&self) -> Result<Progress, Ended> {
        let store = &self.hub.inner().store;
        let position = store.position().await?;
        let plan = self.resume.plan(&position);
        tracing::info!(
            node_id = self.node.node_id(),
            kind = self.kind.as_str(),
            resume_revision = self.resume.revision,
            revision = position.revision,
            ?plan,
            "watch begins"
        );
        match plan {
            Plan::Replay => {
                self.sent.store(self.resume.revision, Ordering::Release);
                return Ok(Progress { epoch: position.epoch, sent: self.resume.revision, unacknowledged: None });
            }
            Plan::Snapshot => {}
            Plan::NewEpoch => self.hub.begin_epoch(&position, self.resume.revision).await?,
        }
        self.node.start_over();
        self.snapshot().await
    }

    async fn snapshot(&self) -> Result<Progress, Ended> {
        let inner = self.hub.inner();
        let _turn = inner.snapshots.acquire().await.map_err(|_| Ended::Draining)?;
        let scope = match self.kind {
            NodeKind::Dispatcher => SnapshotScope::All,
            NodeKind::WebhookGateway => SnapshotScope::WithAccounts,
        };
        let mut snapshot = inner.store.snapshot(scope).await?;
        let Position { epoch, revision, .. } = snapshot.position().clone();
        self.send(Delivery::SnapshotBegin { position: snapshot.position().clone(), count: snapshot.count() }).await?;
        loop {
            let sealed = snapshot.next(PART).await?;
            if sealed.is_empty() {
                break;
            }
            let mut entries = Vec::with_capacity(sealed.len());
            for sealed in sealed {
                entries.push(self.of_snapshot(sealed).await?);
            }
            self.send(Delivery::Entries(entries)).await?;
            tokio::task::yield_now().await;
        }
        self.sent.store(revision, Ordering::Release);
        self.send(Delivery::SnapshotEnd { revision }).await?;
        Ok(Progress { epoch, sent: revision, unacknowledged: Some((revision, Instant::now())) })
    }

    /// An entry of a snapshot. One whose key was retired meanwhile can be opened as it is now, and the snapshot is too old; one
    /// that cannot be opened now either is opened without what is wrong with it.
    async fn of_snapshot(&self, sealed: SealedEntry) -> Result<Entry, StoreError> {
        let Inner { opener, store, .. } = self.hub.inner();
        match opener.open(sealed.clone(), Read::AsOfBefore) {
            Err(StoreError::KeyMissing { source, organization_id, provider }) => {
                let (now, _) = store.entry(&organization_id).await?;
                let is_mended = now.is_none_or(|now| opener.open(now, Read::AsOfBefore).is_ok());
                match is_mended {
                    true => Err(StoreError::KeyMissing { source, organization_id, provider }),
                    false => opener.open(sealed, Read::Now),
                }
            }
            opened => opened,
        }
    }

    /// Sends what the store has after what was sent, until it has no more.
    async fn replay(&self, progress: &mut Progress) -> Result<(), Ended> {
        let inner = self.hub.inner();
        loop {
            let records = inner.store.changes_after(progress.sent, STRIDE).await?;
            if records.is_empty() {
                return Ok(());
            }
            for record in records {
                let (sealed, position) = inner.store.entry(&record.organization_id).await?;
                if position.epoch != progress.epoch {
                    return Err(Ended::Restarted);
                }
                let entry = sealed.map(|sealed| inner.opener.open(sealed, Read::Now)).transpose()?.map(Arc::new);
                let delta = Delta { revision: record.revision, organization_id: record.organization_id, entry };
                self.change(Arc::new(delta), progress).await?;
            }
        }
    }

    async fn live(&self, mut place: Place, mut progress: Progress) -> Result<std::convert::Infallible, Ended> {
        let mut ticks = interval(self.hub.inner().times.heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                delta = place.queue.recv() => match delta {
                    Some(delta) if delta.revision <= progress.sent => {}
                    Some(delta) => self.change(delta, &mut progress).await?,
                    None => return Err(place.end()),
                },
                _ = ticks.tick() => self.tick(&mut progress).await?,
            }
        }
    }

    async fn tick(&self, progress: &mut Progress) -> Result<(), Ended> {
        let patience = self.hub.inner().times.patience;
        if let Some((revision, since)) = progress.unacknowledged {
            if self.node.answered() >= progress.sent {
                progress.unacknowledged = None;
            } else if self.node.answered() >= revision {
                progress.unacknowledged = Some((progress.sent, Instant::now()));
            } else if since.elapsed() > patience {
                return Err(Ended::Silent("acknowledged anything", patience));
            }
        }
        if self.hub.is_current() {
            self.send(Delivery::Heartbeat { revision: progress.sent, epoch: progress.epoch.clone() }).await?;
        }
        Ok(())
    }

    /// Revisions have no gaps for a subscriber: one that does not follow ends the stream.
    async fn change(&self, delta: Arc<Delta>, progress: &mut Progress) -> Result<(), Ended> {
        let revision = delta.revision;
        if revision != progress.sent + 1 {
            return Err(Ended::Restarted);
        }
        self.sent.store(revision, Ordering::Release);
        self.send(Delivery::Change(delta)).await?;
        progress.sent = revision;
        progress.unacknowledged.get_or_insert((revision, Instant::now()));
        Ok(())
    }

    async fn send(&self, delivery: Delivery) -> Result<(), Ended> {
        let patience = self.hub.inner().times.patience;
        match timeout(patience, self.out.send(delivery)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::Gone),
            Err(_) => Err(Ended::Silent("read anything", patience)),
        }
    }
}
