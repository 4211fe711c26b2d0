//! One stream, from hello to its end.

use std::time::Duration;

use switchboard_proto::config::v1::{
    Ack, Change, Hello, Nack, OrganizationEntry, SnapshotBegin, WatchRequest, WatchResponse,
    config_watch_service_client::ConfigWatchServiceClient, watch_request::Request, watch_response::Response,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{Position, Watch};
use crate::error::describe;

/// Answers that may wait for config-service to read them. An ack that does not fit is made up for by the next one.
const OUTBOX: usize = 64;
/// Entries that room is made for before they have come, whatever the other side announces.
const ROOM: usize = 4096;
/// How long a refusal may take to reach config-service before the stream is closed.
const LINGER: Duration = Duration::from_secs(1);

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("config-service cannot be reached: {0}")]
    Unreachable(String),
    #[error("the stream broke: {0}")]
    Broken(String),
    #[error("config-service closed the stream")]
    Closed,
    #[error("nothing has been heard for {0:?}")]
    Silent(Duration),
    #[error("revision {revision} is refused: {why}")]
    Refused { revision: i64, why: String },
    #[error("config-service broke the protocol: {0}")]
    Protocol(&'static str),
    #[error("the store of config-service is another one now (epoch {0})")]
    EpochChanged(String),
}

/// Lives through one stream. `live` becomes true once it has brought the sink into step.
pub(super) async fn run(watch: &Watch, live: &mut bool) -> End {
    let silence = watch.subscriber.settings.silence();
    let (outbox, requests) = mpsc::channel(OUTBOX);
    let hello = hello(watch);
    if outbox.try_send(hello).is_err() {
        return End::Protocol("the hello found no room");
    }
    let mut client = ConfigWatchServiceClient::new(watch.channel.clone()).max_decoding_message_size(16 << 20);
    let mut stream = match timeout(silence, client.watch(ReceiverStream::new(requests))).await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return End::Unreachable(describe(&status)),
        Err(_) => return End::Silent(silence),
    };
    let mut session = Session { watch, outbox, snapshot: None, acked: 0, live };
    loop {
        let response = match timeout(silence, stream.message()).await {
            Ok(Ok(Some(response))) => response,
            Ok(Ok(None)) => return End::Closed,
            Ok(Err(status)) => return End::Broken(describe(&status)),
            Err(_) => return End::Silent(silence),
        };
        // What a stream says before it has brought this node into step proves nothing about what the node has.
        if *session.live {
            watch.status.heard(Instant::now());
        }
        if let Err(end) = session.take(response) {
            if let End::Refused { revision, why } = &end {
                session.refuse(*revision, why);
                drop(session);
                linger(stream).await;
            }
            return end;
        }
    }
}

fn hello(watch: &Watch) -> WatchRequest {
    let position = watch.status.position();
    let hello = Hello {
        node_id: watch.subscriber.node_id.clone(),
        kind: watch.subscriber.kind.into(),
        resume_revision: position.as_ref().map_or(0, |position| position.revision),
        resume_epoch: position.map(|position| position.epoch).unwrap_or_default(),
    };
    WatchRequest { request: Some(Request::Hello(hello)) }
}

/// Lets a refusal go out before the stream is dropped.
async fn linger(mut stream: Streaming<WatchResponse>) {
    let drained = timeout(LINGER, async { while let Ok(Some(_)) = stream.message().await {} });
    if drained.await.is_err() {
        tracing::debug!("config-service kept the stream open after a refusal");
    }
}

/// A snapshot under way.
struct Snapshot {
    begin: SnapshotBegin,
    entries: Vec<OrganizationEntry>,
}

struct Session<'a> {
    watch: &'a Watch,
    outbox: mpsc::Sender<WatchRequest>,
    snapshot: Option<Snapshot>,
    /// The last revision that config-service was told of.
    acked: i64,
    live: &'a mut bool,
}

impl Session<'_> {
    fn take(&mut self, response: WatchResponse) -> Result<(), End> {
        match response.response {
            Some(Response::SnapshotBegin(begin)) => {
                let room = usize::try_from(begin.entry_count).unwrap_or(0).min(ROOM);
                self.snapshot = Some(Snapshot { begin, entries: Vec::with_capacity(room) });
                Ok(())
            }
            Some(Response::Entries(part)) => match &mut self.snapshot {
                Some(snapshot) => {
                    snapshot.entries.extend(part.entries);
                    Ok(())
                }
                None => Err(End::Protocol("entries outside of a snapshot")),
            },
            Some(Response::SnapshotEnd(end)) => match self.snapshot.take() {
                Some(snapshot) if snapshot.begin.revision == end.revision => self.replace(snapshot),
                _ => Err(End::Protocol("the end of a snapshot that did not begin")),
            },
            Some(Response::Change(_)) if self.snapshot.is_some() => Err(End::Protocol("a change inside a snapshot")),
            Some(Response::Change(change)) => self.change(change),
            Some(Response::Heartbeat(heartbeat)) => self.heartbeat(heartbeat.epoch),
            // A kind of response that a newer config-service knows: it shows that the stream is alive.
            None => Ok(()),
        }
    }

    /// Replaces everything, unless that would lose what is there for something older or for nothing at all.
    fn replace(&mut self, snapshot: Snapshot) -> Result<(), End> {
        let Snapshot { begin, entries } = snapshot;
        let refused = |why: String| End::Refused { revision: begin.revision, why };
        if i64::try_from(entries.len()) != Ok(begin.entry_count) {
            return Err(refused(format!("{} entries were announced and {} came", begin.entry_count, entries.len())));
        }
        let now = self.watch.status.position();
        let same_epoch = now.as_ref().is_none_or(|position| position.epoch == begin.epoch);
        if same_epoch && entries.is_empty() && !self.watch.sink.is_empty() {
            return Err(refused("an empty snapshot without a new epoch does not replace what is there".to_owned()));
        }
        if let Some(position) = now.filter(|position| same_epoch && begin.revision < position.revision) {
            return Err(refused(format!("this node has already applied revision {}", position.revision)));
        }
        let count = entries.len();
        let position = Position { revision: begin.revision, epoch: begin.epoch };
        self.watch
            .sink
            .replace_all(entries, &position)
            .map_err(|why| End::Refused { revision: position.revision, why: why.0 })?;
        tracing::info!(kind = self.watch.kind(), revision = position.revision, entries = count, "snapshot applied");
        self.watch.status.moved_to(position);
        self.in_step();
        self.ack();
        Ok(())
    }

    /// Applies a change. One that the sink refuses leaves the organisation as it was and does not hold up the others.
    fn change(&mut self, change: Change) -> Result<(), End> {
        let Some(position) = self.watch.status.position() else {
            return Err(End::Protocol("a change before any snapshot"));
        };
        let revision = change.revision;
        if revision <= position.revision {
            self.ack();
            return Ok(());
        }
        let organization_id = change.organization_id.clone();
        let applied = self.watch.sink.apply(change);
        self.watch.status.moved_to(Position { revision, ..position });
        self.in_step();
        match applied {
            Ok(()) => self.ack(),
            Err(why) => {
                tracing::error!(kind = self.watch.kind(), revision, organization_id, error = %why, "change refused");
                self.refuse(revision, &why.0);
            }
        }
        Ok(())
    }

    fn heartbeat(&mut self, epoch: String) -> Result<(), End> {
        match self.watch.status.position() {
            Some(position) if position.epoch == epoch => {
                self.in_step();
                self.ack();
                Ok(())
            }
            // The snapshot of the other epoch is on its way.
            _ if self.snapshot.is_some() => Ok(()),
            Some(_) => Err(End::EpochChanged(epoch)),
            None => Ok(()),
        }
    }

    fn in_step(&mut self) {
        *self.live = true;
        self.watch.status.heard(Instant::now());
        self.watch.status.connected();
        self.watch.alive();
    }

    /// Tells config-service how far this node is, if it does not know.
    fn ack(&mut self) {
        let revision = self.watch.status.revision();
        let request = WatchRequest { request: Some(Request::Ack(Ack { revision })) };
        if revision > self.acked && self.outbox.try_send(request).is_ok() {
            self.acked = revision;
        }
    }

    fn refuse(&mut self, revision: i64, why: &str) {
        metrics::counter!("switchboard_config_watch_refused_total", "node_kind" => self.watch.kind()).increment(1);
        let nack = Nack { revision, reason: why.to_owned() };
        if self.outbox.try_send(WatchRequest { request: Some(Request::Nack(nack)) }).is_ok() {
            self.acked = self.acked.max(revision);
        }
    }
}
