//! The subscription against a server whose every response is scripted.

use std::{collections::BTreeMap, sync::Mutex};

use switchboard_proto::config::v1::{
    Heartbeat, Hello, ResolveOrganizationRequest, ResolveOrganizationResponse, SnapshotBegin, SnapshotEnd,
    SnapshotEntries, WatchRequest, WatchResponse,
    config_watch_service_server::{ConfigWatchService, ConfigWatchServiceServer},
    watch_request::Request as Asked,
    watch_response::Response as Answer,
};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::{grpc::client, http::Readiness};

const PATIENCE: Duration = Duration::from_secs(10);
const MAX_STALE: Duration = Duration::from_secs(3600);

/// One stream as the server sees it.
struct Stream {
    hello: Hello,
    requests: Streaming<WatchRequest>,
    responses: mpsc::UnboundedSender<Result<WatchResponse, Status>>,
}

impl Stream {
    fn say(&self, answer: Answer) {
        self.responses.send(Ok(WatchResponse { response: Some(answer) })).unwrap();
    }

    fn snapshot(&self, revision: i64, epoch: &str, organizations: &[&str]) {
        let entries: Vec<_> = organizations.iter().map(|id| entry(id, revision)).collect();
        let entry_count = i64::try_from(entries.len()).unwrap();
        self.say(Answer::SnapshotBegin(SnapshotBegin { revision, epoch: epoch.to_owned(), entry_count }));
        for entry in entries {
            self.say(Answer::Entries(SnapshotEntries { entries: vec![entry] }));
        }
        self.say(Answer::SnapshotEnd(SnapshotEnd { revision }));
    }

    fn change(&self, revision: i64, organization: &str, deleted: bool) {
        let entry = (!deleted).then(|| entry(organization, revision));
        self.say(Answer::Change(Change { revision, organization_id: organization.to_owned(), entry }));
    }

    fn heartbeat(&self, revision: i64, epoch: &str) {
        self.say(Answer::Heartbeat(Heartbeat { revision, epoch: epoch.to_owned() }));
    }

    /// What the node says next: `Ok` an ack, `Err` a nack.
    async fn answer(&mut self) -> Result<i64, (i64, String)> {
        let request = timeout(PATIENCE, self.requests.message()).await.expect("an answer in time").unwrap().unwrap();
        match request.request.unwrap() {
            Asked::Ack(ack) => Ok(ack.revision),
            Asked::Nack(nack) => Err((nack.revision, nack.reason)),
            Asked::Hello(_) => panic!("a second hello"),
        }
    }
}

fn entry(organization: &str, revision: i64) -> OrganizationEntry {
    OrganizationEntry { organization_id: organization.to_owned(), revision, ..OrganizationEntry::default() }
}

struct Server(mpsc::UnboundedSender<Stream>);

#[tonic::async_trait]
impl ConfigWatchService for Server {
    type WatchStream = UnboundedReceiverStream<Result<WatchResponse, Status>>;

    async fn watch(&self, request: Request<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let mut requests = request.into_inner();
        let Some(Asked::Hello(hello)) = requests.message().await?.and_then(|request| request.request) else {
            return Err(Status::invalid_argument("the first request is a hello"));
        };
        let (responses, stream) = mpsc::unbounded_channel();
        self.0.send(Stream { hello, requests, responses }).map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(UnboundedReceiverStream::new(stream)))
    }

    async fn resolve_organization(
        &self,
        _: Request<ResolveOrganizationRequest>,
    ) -> Result<Response<ResolveOrganizationResponse>, Status> {
        Err(Status::unimplemented("not part of the watch"))
    }
}

/// A cache of revisions by organisation; it refuses the organisation "broken".
#[derive(Default)]
struct Cache(Mutex<BTreeMap<String, i64>>, Mutex<Option<Recalled>>);

impl Cache {
    fn content(&self) -> Vec<(String, i64)> {
        self.0.lock().unwrap().iter().map(|(id, revision)| (id.clone(), *revision)).collect()
    }
}

impl WatchSink for Cache {
    fn replace_all(&self, entries: Vec<OrganizationEntry>, _: &Position) -> Result<(), Refused> {
        *self.0.lock().unwrap() = entries.into_iter().map(|entry| (entry.organization_id, entry.revision)).collect();
        Ok(())
    }

    fn apply(&self, change: Change) -> Result<(), Refused> {
        if change.organization_id == "broken" {
            return Err(Refused("it cannot be read".to_owned()));
        }
        let mut cache = self.0.lock().unwrap();
        match change.entry {
            Some(entry) => cache.insert(change.organization_id, entry.revision),
            None => cache.remove(&change.organization_id),
        };
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    fn recall(&self) -> BoxFuture<'_, Option<Recalled>> {
        let recalled = self.1.lock().unwrap().take();
        if let Some(recalled) = &recalled {
            self.0.lock().unwrap().insert("kept".to_owned(), recalled.position.revision);
        }
        ready(recalled).boxed()
    }
}

struct Fixture {
    streams: mpsc::UnboundedReceiver<Stream>,
    cache: Arc<Cache>,
    status: Arc<WatchStatus>,
    readiness: Readiness,
    lifecycle: Lifecycle,
}

impl Fixture {
    async fn start() -> Self {
        Self::with_heartbeats(Duration::from_secs(5)).await
    }

    /// A node that has kept something.
    async fn recalling(revision: i64, age: Duration, resumable: bool) -> Self {
        let position = Position { revision, epoch: "e1".to_owned() };
        let cache = Cache(Mutex::default(), Mutex::new(Some(Recalled { position, age, resumable })));
        Self::with(Duration::from_secs(5), cache).await
    }

    async fn with_heartbeats(heartbeat_interval: Duration) -> Self {
        Self::with(heartbeat_interval, Cache::default()).await
    }

    async fn with(heartbeat_interval: Duration, cache: Cache) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, streams) = mpsc::unbounded_channel();
        let lifecycle = Lifecycle::new();
        let serving = tonic::transport::Server::builder()
            .add_service(ConfigWatchServiceServer::new(Server(sender)))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), lifecycle.stopped().cancelled_owned());
        drop(lifecycle.spawn_detached("scripted server", serving));
        let channel = client::channel(&format!("http://{address}"), "token".into()).unwrap();
        let subscriber = Subscriber {
            node_id: "node-1".to_owned(),
            kind: NodeKind::Dispatcher,
            max_stale: Some(MAX_STALE),
            settings: WatchSettings {
                heartbeat_interval,
                reconnect_min: Duration::from_millis(1),
                reconnect_max: Duration::from_millis(5),
            },
        };
        let (cache, readiness) = (Arc::new(cache), Readiness::new());
        let status = spawn(subscriber, channel, cache.clone(), &lifecycle, readiness.register("config watch"));
        Self { streams, cache, status, readiness, lifecycle }
    }

    async fn stream(&mut self) -> Stream {
        timeout(PATIENCE, self.streams.recv()).await.expect("a stream in time").unwrap()
    }

    fn content(&self) -> Vec<(String, i64)> {
        self.cache.content()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.lifecycle.stop_now();
    }
}

fn of(entries: &[(&str, i64)]) -> Vec<(String, i64)> {
    entries.iter().map(|(id, revision)| ((*id).to_owned(), *revision)).collect()
}

#[tokio::test]
async fn a_snapshot_and_its_changes_are_applied_and_acknowledged() {
    let mut node = Fixture::start().await;
    assert!(!node.readiness.is_ready(), "without a snapshot there is nothing to work with");
    let mut stream = node.stream().await;
    assert_eq!((stream.hello.node_id.as_str(), stream.hello.resume_revision), ("node-1", 0));
    stream.snapshot(7, "e1", &["a", "b"]);
    assert_eq!(stream.answer().await, Ok(7));
    assert_eq!(node.content(), of(&[("a", 7), ("b", 7)]));
    assert!(node.readiness.is_ready() && node.status.is_healthy(Instant::now()));
    stream.change(8, "a", false);
    assert_eq!(stream.answer().await, Ok(8));
    stream.change(9, "b", true);
    assert_eq!(stream.answer().await, Ok(9));
    assert_eq!(node.content(), of(&[("a", 8)]));
    assert_eq!(node.status.position(), Some(Position { revision: 9, epoch: "e1".to_owned() }));
}

#[tokio::test]
async fn a_broken_stream_is_resumed_and_what_is_known_stays() {
    let mut node = Fixture::start().await;
    let mut stream = node.stream().await;
    stream.snapshot(7, "e1", &["a"]);
    assert_eq!(stream.answer().await, Ok(7));
    stream.responses.send(Err(Status::resource_exhausted("too slow"))).unwrap();
    drop(stream);
    let mut stream = node.stream().await;
    assert_eq!((stream.hello.resume_revision, stream.hello.resume_epoch.as_str()), (7, "e1"));
    assert_eq!(node.content(), of(&[("a", 7)]));
    assert!(node.readiness.is_ready(), "a node with an old snapshot does its job");
    stream.change(8, "b", false);
    assert_eq!(stream.answer().await, Ok(8));
    assert!(node.status.is_healthy(Instant::now()));
}

#[tokio::test]
async fn a_silent_stream_is_given_up_after_three_heartbeats() {
    let mut node = Fixture::with_heartbeats(Duration::from_millis(200)).await;
    let mut stream = node.stream().await;
    stream.snapshot(7, "e1", &["a"]);
    assert_eq!(stream.answer().await, Ok(7));
    // Held open, and nothing comes: the other direction still works, as with a half-open connection.
    let silent = stream;
    let next = node.stream().await;
    assert_eq!(next.hello.resume_revision, 7);
    let heard = node.status.last_heard().unwrap();
    assert!(!node.status.is_healthy(heard + Duration::from_millis(600)));
    drop(silent);
}

#[tokio::test]
async fn an_empty_snapshot_without_a_new_epoch_wipes_nothing() {
    let mut node = Fixture::start().await;
    let mut stream = node.stream().await;
    stream.snapshot(7, "e1", &["a"]);
    assert_eq!(stream.answer().await, Ok(7));
    stream.snapshot(9, "e1", &[]);
    let (revision, reason) = stream.answer().await.unwrap_err();
    assert_eq!(revision, 9);
    assert!(reason.contains("empty snapshot"), "{reason}");
    drop(stream);
    let mut stream = node.stream().await;
    assert_eq!(stream.hello.resume_revision, 7, "the refused revision is not taken for applied");
    assert_eq!(node.content(), of(&[("a", 7)]));
    stream.snapshot(1, "e2", &[]);
    assert_eq!(stream.answer().await, Ok(1));
    assert_eq!(node.content(), of(&[]));
}

#[tokio::test]
async fn a_snapshot_never_goes_backwards_within_an_epoch() {
    let mut node = Fixture::start().await;
    let mut stream = node.stream().await;
    stream.snapshot(7, "e1", &["a", "b"]);
    assert_eq!(stream.answer().await, Ok(7));
    stream.snapshot(6, "e1", &["a"]);
    let (_, reason) = stream.answer().await.unwrap_err();
    assert!(reason.contains("already applied revision 7"), "{reason}");
    assert_eq!(node.content(), of(&[("a", 7), ("b", 7)]));
}

#[tokio::test]
async fn a_change_that_comes_again_changes_nothing() {
    let mut node = Fixture::start().await;
    let mut stream = node.stream().await;
    stream.snapshot(7, "e1", &["a"]);
    assert_eq!(stream.answer().await, Ok(7));
    stream.change(6, "a", true);
    stream.change(8, "b", false);
    assert_eq!(stream.answer().await, Ok(8));
    assert_eq!(node.content(), of(&[("a", 7), ("b", 8)]));
}

#[tokio::test]
async fn a_change_that_cannot_be_used_does_not_hold_up_the_others() {
    let mut node = Fixture::start().await;
    let mut stream = node.stream().await;
    stream.snapshot(7, "e1", &["a"]);
    assert_eq!(stream.answer().await, Ok(7));
    stream.change(8, "broken", false);
    assert_eq!(stream.answer().await, Err((8, "it cannot be read".to_owned())));
    stream.change(9, "b", false);
    assert_eq!(stream.answer().await, Ok(9));
    assert_eq!(node.content(), of(&[("a", 7), ("b", 9)]));
}

#[tokio::test]
async fn a_heartbeat_of_another_epoch_fetches_a_snapshot() {
    let mut node = Fixture::start().await;
    let mut stream = node.stream().await;
    stream.snapshot(7, "e1", &["a"]);
    assert_eq!(stream.answer().await, Ok(7));
    stream.heartbeat(3, "e2");
    let mut stream = node.stream().await;
    stream.snapshot(3, "e2", &["z"]);
    assert_eq!(stream.answer().await, Ok(3));
    assert_eq!(node.content(), of(&[("z", 3)]));
}

#[tokio::test]
async fn half_a_snapshot_changes_nothing() {
    let mut node = Fixture::start().await;
    let mut stream = node.stream().await;
    stream.snapshot(7, "e1", &["a"]);
    assert_eq!(stream.answer().await, Ok(7));
    stream.say(Answer::SnapshotBegin(SnapshotBegin { revision: 8, epoch: "e1".to_owned(), entry_count: 2 }));
    stream.say(Answer::Entries(SnapshotEntries { entries: vec![entry("b", 8)] }));
    stream.say(Answer::SnapshotEnd(SnapshotEnd { revision: 8 }));
    let (_, reason) = stream.answer().await.unwrap_err();
    assert!(reason.contains("2 entries were announced and 1 came"), "{reason}");
    assert_eq!(node.content(), of(&[("a", 7)]));
}

#[tokio::test]
async fn what_was_kept_is_used_at_once_and_the_stream_goes_on_from_there() {
    let mut node = Fixture::recalling(7, Duration::from_secs(150), true).await;
    let mut stream = node.stream().await;
    assert_eq!((stream.hello.resume_revision, stream.hello.resume_epoch.as_str()), (7, "e1"));
    assert_eq!(node.content(), of(&[("kept", 7)]));
    assert!(node.readiness.is_ready() && !node.status.is_healthy(Instant::now()));
    let said = format!("{:?}", node.readiness);
    assert!(said.contains("a kept snapshot (revision 7)") && said.contains("2m ago"), "{said}");
    assert!(node.status.age(Instant::now()).unwrap() >= Duration::from_secs(150));
    stream.change(8, "a", false);
    assert_eq!(stream.answer().await, Ok(8));
    assert_eq!(node.content(), of(&[("a", 8), ("kept", 7)]));
    assert!(node.status.is_healthy(Instant::now()));
    assert!(node.status.age(Instant::now()).unwrap() < PATIENCE);
}

#[tokio::test]
async fn what_another_version_has_kept_serves_until_a_whole_snapshot_has_come() {
    let mut node = Fixture::recalling(7, Duration::ZERO, false).await;
    let mut stream = node.stream().await;
    assert_eq!((stream.hello.resume_revision, stream.hello.resume_epoch.as_str()), (0, ""));
    assert!(node.readiness.is_ready());
    assert_eq!(node.content(), of(&[("kept", 7)]));
    stream.snapshot(7, "e1", &["a"]);
    assert_eq!(stream.answer().await, Ok(7));
    assert_eq!(node.content(), of(&[("a", 7)]));
}

#[tokio::test]
async fn what_is_too_old_to_be_used_makes_no_node_ready() {
    let mut node = Fixture::recalling(7, MAX_STALE, true).await;
    let stream = node.stream().await;
    assert!(!node.readiness.is_ready());
    stream.heartbeat(7, "e1");
    timeout(PATIENCE, node.readiness.watch().wait_for(|ready| *ready)).await.expect("ready in time").unwrap();
}

#[tokio::test]
async fn a_stream_that_never_brings_a_node_into_step_makes_what_it_has_no_younger() {
    let mut node = Fixture::recalling(7, Duration::from_secs(150), true).await;
    for _ in 0..2 {
        let mut stream = node.stream().await;
        stream.snapshot(9, "e1", &[]);
        assert!(stream.answer().await.is_err());
    }
    assert!(node.status.age(Instant::now()).unwrap() >= Duration::from_secs(150));
}

#[tokio::test]
async fn a_kind_of_response_that_only_a_newer_config_service_knows_changes_nothing() {
    let mut node = Fixture::start().await;
    let mut stream = node.stream().await;
    stream.snapshot(7, "e1", &["a"]);
    assert_eq!(stream.answer().await, Ok(7));
    // What is unknown is dropped in decoding: an empty response is left of it.
    stream.responses.send(Ok(WatchResponse { response: None })).unwrap();
    stream.change(8, "b", false);
    assert_eq!(stream.answer().await, Ok(8));
    assert_eq!(node.content(), of(&[("a", 7), ("b", 8)]));
    assert!(node.status.is_healthy(Instant::now()));
}
