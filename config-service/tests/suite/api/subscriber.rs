//! Subscribers of the tests: one that acknowledges only when told to, and one that applies and acknowledges by itself.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use switchboard_proto::config::v1::{
    Ack, Change, Heartbeat, Hello, Nack, NodeKind, OrganizationEntry, WatchRequest, WatchResponse,
    config_watch_service_client::ConfigWatchServiceClient, watch_request::Request, watch_response::Response,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Endpoint};

use crate::support::{SOON, Service, token};

pub struct Subscriber {
    outbox: mpsc::Sender<WatchRequest>,
    stream: Streaming<WatchResponse>,
}

/// A whole snapshot.
pub struct Snapshot {
    pub revision: i64,
    pub epoch: String,
    pub entries: BTreeMap<String, OrganizationEntry>,
    /// In how many parts it came.
    pub parts: usize,
}

pub fn hello(node_id: &str, kind: NodeKind, revision: i64, epoch: &str) -> Hello {
    Hello { node_id: node_id.to_owned(), kind: kind.into(), resume_revision: revision, resume_epoch: epoch.to_owned() }
}

fn say(request: Request) -> WatchRequest {
    WatchRequest { request: Some(request) }
}

impl Subscriber {
    pub async fn open(service: &Service, caller: &str, hello: Hello) -> Result<Self, Status> {
        let (outbox, requests) = mpsc::channel(64);
        outbox.send(say(Request::Hello(hello))).await.unwrap();
        let opened = timeout(SOON, service.watch(caller).watch(ReceiverStream::new(requests))).await;
        Ok(Self { outbox, stream: opened.expect("the stream opens in time")?.into_inner() })
    }

    /// Over a connection to `address` of its own that buffers as little as HTTP/2 allows.
    pub async fn narrow(address: SocketAddr, caller: &str, hello: Hello) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535).connect_lazy();
        let (outbox, requests) = mpsc::channel(64);
        outbox.send(say(Request::Hello(hello))).await.unwrap();
        let mut request = tonic::Request::new(ReceiverStream::new(requests));
        let bearer = format!("Bearer {}", token(caller)).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let stream = ConfigWatchServiceClient::new(channel).watch(request).await.unwrap().into_inner();
        Self { outbox, stream }
    }

    pub async fn dispatcher(service: &Service, node_id: &str) -> Self {
        Self::open(service, "dispatcher", hello(node_id, NodeKind::Dispatcher, 0, "")).await.unwrap()
    }

    pub async fn gateway(service: &Service, node_id: &str) -> Self {
        Self::open(service, "webhook-gateway", hello(node_id, NodeKind::WebhookGateway, 0, "")).await.unwrap()
    }

    pub async fn ack(&self, revision: i64) {
        self.outbox.send(say(Request::Ack(Ack { revision }))).await.unwrap();
    }

    pub async fn nack(&self, revision: i64, reason: &str) {
        let nack = Nack { revision, reason: reason.to_owned() };
        self.outbox.send(say(Request::Nack(nack))).await.unwrap();
    }

    pub async fn say_hello_again(&self) {
        self.outbox.send(say(Request::Hello(hello("again", NodeKind::Dispatcher, 0, "")))).await.unwrap();
    }

    pub async fn next(&mut self) -> Result<Option<Response>, Status> {
        let next = timeout(SOON, self.stream.message()).await.expect("something comes in time");
        Ok(next?.map(|response| response.response.expect("a response is one of its kinds")))
    }

    /// The next response that is no heartbeat.
    pub async fn news(&mut self) -> Response {
        self.news_or_end().await.unwrap()
    }

    /// The next response that is no heartbeat, or how the stream ended instead.
    pub async fn news_or_end(&mut self) -> Result<Response, Status> {
        let news = async {
            loop {
                match self.next().await?.expect("the stream goes on") {
                    Response::Heartbeat(_) => {}
                    news => return Ok(news),
                }
            }
        };
        timeout(SOON, news).await.expect("something else than heartbeats comes in time")
    }

    pub async fn change(&mut self) -> Change {
        match self.news().await {
            Response::Change(change) => change,
            other => panic!("not a change: {other:?}"),
        }
    }

    pub async fn heartbeat(&mut self) -> Heartbeat {
        let heartbeat = async {
            loop {
                if let Response::Heartbeat(heartbeat) = self.next().await.unwrap().expect("the stream goes on") {
                    return heartbeat;
                }
            }
        };
        timeout(SOON, heartbeat).await.expect("a heartbeat comes in time")
    }

    pub async fn snapshot(&mut self) -> Snapshot {
        let Response::SnapshotBegin(begin) = self.news().await else { panic!("no snapshot begins") };
        let (mut entries, mut parts) = (BTreeMap::new(), 0);
        loop {
            match self.news().await {
                Response::Entries(part) => {
                    parts += 1;
                    entries.extend(part.entries.into_iter().map(|entry| (entry.organization_id.clone(), entry)));
                }
                Response::SnapshotEnd(end) => {
                    assert_eq!(end.revision, begin.revision);
                    assert_eq!(i64::try_from(entries.len()).unwrap(), begin.entry_count);
                    return Snapshot { revision: begin.revision, epoch: begin.epoch, entries, parts };
                }
                other => panic!("inside a snapshot: {other:?}"),
            }
        }
    }

    /// How the stream ends, whatever still comes before.
    pub async fn end(&mut self) -> Status {
        let end = async {
            loop {
                match self.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Status::ok("the stream ended"),
                    Err(status) => return status,
                }
            }
        };
        timeout(SOON, end).await.expect("the stream ends in time")
    }
}

/// A dispatcher that applies whatever it is sent, and acknowledges what it has applied.
pub struct Applying {
    applied: Arc<Mutex<BTreeMap<String, OrganizationEntry>>>,
    following: tokio::task::JoinHandle<()>,
}

impl Applying {
    /// Returns when it is in step, and its replica knows.
    pub async fn start(service: &Service, node_id: &str) -> Self {
        let mut subscriber = Subscriber::dispatcher(service, node_id).await;
        let snapshot = subscriber.snapshot().await;
        subscriber.ack(snapshot.revision).await;
        subscriber.heartbeat().await;
        let applied = Arc::new(Mutex::new(snapshot.entries));
        let entries = Arc::clone(&applied);
        let following = tokio::spawn(async move {
            while let Ok(Some(response)) = subscriber.next().await {
                let Response::Change(Change { revision, organization_id, entry }) = response else { continue };
                match entry {
                    Some(entry) => entries.lock().unwrap().insert(organization_id, entry),
                    None => entries.lock().unwrap().remove(&organization_id),
                };
                subscriber.ack(revision).await;
            }
        });
        Self { applied, following }
    }

    /// What it goes by.
    pub fn entry(&self, organization_id: &str) -> Option<OrganizationEntry> {
        self.applied.lock().unwrap().get(organization_id).cloned()
    }
}

impl Drop for Applying {
    fn drop(&mut self) {
        self.following.abort();
    }
}
