//! The two services that the gateway knows, scripted.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use switchboard_proto::{
    config::v1::{
        Change, OrganizationEntry, ResolveOrganizationRequest, ResolveOrganizationResponse, SnapshotBegin, SnapshotEnd,
        SnapshotEntries, WatchRequest, WatchResponse,
        config_watch_service_server::{ConfigWatchService, ConfigWatchServiceServer},
        watch_response::Response as Answer,
    },
    dispatch::v1::{
        QuarantineEventsRequest, QuarantineEventsResponse, ReportStatusRequest, ReportStatusResponse, StatusOutcome,
        StatusResult, StatusUpdate, UnreadableEvent,
        delivery_status_service_server::{DeliveryStatusService, DeliveryStatusServiceServer},
    },
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// A running peer; dropping it cuts every connection.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(router: tonic::transport::server::Router, address: SocketAddr) -> Peer {
    let listener = TcpListener::bind(address).await.unwrap();
    let peer = Peer { address: listener.local_addr().unwrap(), stop: CancellationToken::new() };
    let stop = peer.stop.clone();
    let serving = router.serve_with_incoming(TcpListenerStream::new(listener));
    drop(tokio_util::task::TaskTracker::new().spawn(async move {
        tokio::select! {
            served = serving => served.unwrap(),
            () = stop.cancelled() => {}
        }
    }));
    peer
}

/// Where a subscriber's responses go.
type Stream = mpsc::UnboundedSender<Result<WatchResponse, Status>>;

/// Config-service: gives everybody the same snapshot, then the changes as they come.
#[derive(Clone, Default)]
pub(crate) struct Config {
    entries: Arc<Mutex<Vec<OrganizationEntry>>>,
    streams: Arc<Mutex<Vec<Stream>>>,
}

impl Config {
    pub(crate) async fn start(&self, address: SocketAddr) -> Peer {
        serve(Server::builder().add_service(ConfigWatchServiceServer::new(self.clone())), address).await
    }

    pub(crate) fn know(&self, entries: Vec<OrganizationEntry>) {
        *self.entries.lock().unwrap() = entries;
    }

    pub(crate) fn change(&self, revision: i64, entry: OrganizationEntry) {
        let change = Change { revision, organization_id: entry.organization_id.clone(), entry: Some(entry) };
        for stream in self.streams.lock().unwrap().iter() {
            let _ = stream.send(Ok(WatchResponse { response: Some(Answer::Change(change.clone())) }));
        }
    }
}

#[tonic::async_trait]
impl ConfigWatchService for Config {
    type WatchStream = UnboundedReceiverStream<Result<WatchResponse, Status>>;

    async fn watch(&self, _: Request<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let (stream, responses) = mpsc::unbounded_channel();
        let entries = self.entries.lock().unwrap().clone();
        let entry_count = i64::try_from(entries.len()).unwrap();
        let begin = SnapshotBegin { revision: 1, epoch: "e".to_owned(), entry_count };
        for answer in [
            Answer::SnapshotBegin(begin),
            Answer::Entries(SnapshotEntries { entries }),
            Answer::SnapshotEnd(SnapshotEnd { revision: 1 }),
        ] {
            stream.send(Ok(WatchResponse { response: Some(answer) })).unwrap();
        }
        self.streams.lock().unwrap().push(stream);
        Ok(Response::new(UnboundedReceiverStream::new(responses)))
    }

    async fn resolve_organization(
        &self,
        _: Request<ResolveOrganizationRequest>,
    ) -> Result<Response<ResolveOrganizationResponse>, Status> {
        Err(Status::unimplemented("the gateway does not ask"))
    }
}

/// The dispatcher: commits what it gets, or refuses, or makes everybody wait.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    pub(crate) committed: Arc<Mutex<Vec<StatusUpdate>>>,
    pub(crate) quarantined: Arc<Mutex<Vec<UnreadableEvent>>>,
    /// Why nothing can be quarantined.
    pub(crate) no_room: Arc<Mutex<Option<Status>>>,
    pub(crate) refusal: Arc<Mutex<Option<Status>>>,
    pub(crate) begun: Arc<AtomicUsize>,
    /// A call needs a permit; without any, it waits.
    pub(crate) gate: Arc<Semaphore>,
}

impl Dispatcher {
    pub(crate) fn new() -> Self {
        Self {
            committed: Arc::default(),
            quarantined: Arc::default(),
            no_room: Arc::default(),
            refusal: Arc::default(),
            begun: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }

    pub(crate) async fn start(&self, address: SocketAddr) -> Peer {
        serve(Server::builder().add_service(DeliveryStatusServiceServer::new(self.clone())), address).await
    }

    pub(crate) fn committed(&self) -> Vec<StatusUpdate> {
        self.committed.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl DeliveryStatusService for Dispatcher {
    async fn report_status(
        &self,
        request: Request<ReportStatusRequest>,
    ) -> Result<Response<ReportStatusResponse>, Status> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let _permit = self.gate.acquire().await.unwrap();
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        let updates = request.into_inner().updates;
        for update in &updates {
            match update.client_reference.as_str() {
                // An update that no version understands.
                "poison" => return Err(Status::invalid_argument("it cannot be understood")),
                "large" => return Err(Status::out_of_range("it is too much")),
                _ => {}
            }
        }
        let result = StatusResult { outcome: StatusOutcome::Applied.into(), ..StatusResult::default() };
        let results = vec![result; updates.len()];
        self.committed.lock().unwrap().extend(updates);
        Ok(Response::new(ReportStatusResponse { results }))
    }

    async fn quarantine_events(
        &self,
        request: Request<QuarantineEventsRequest>,
    ) -> Result<Response<QuarantineEventsResponse>, Status> {
        if let Some(refusal) = self.no_room.lock().unwrap().clone() {
            return Err(refusal);
        }
        self.quarantined.lock().unwrap().extend(request.into_inner().events);
        Ok(Response::new(QuarantineEventsResponse { added_count: 1 }))
    }
}
