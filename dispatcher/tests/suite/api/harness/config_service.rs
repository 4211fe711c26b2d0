//! A config-service that holds what a test puts into it, and fails as the test says.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use switchboard_proto::config::v1::{
    Change, Heartbeat, OrganizationEntry, ResolveOrganizationRequest, ResolveOrganizationResponse, SnapshotBegin,
    SnapshotEnd, SnapshotEntries, WatchRequest, WatchResponse,
    config_watch_service_server::{ConfigWatchService, ConfigWatchServiceServer},
    watch_request::Request as Asked,
    watch_response::Response as Told,
};
use switchboard_runtime::Lifecycle;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use crate::support::eventually;

/// Far more often than a dispatcher under test misses them, even on a busy machine.
const HEARTBEAT: Duration = Duration::from_millis(50);

/// What `ResolveOrganization` does.
#[derive(Clone, Debug, Default)]
pub enum Resolve {
    /// Answers with what there is.
    #[default]
    Answer,
    /// Answers with this, as a replica that lags behind does.
    With(Box<OrganizationEntry>),
    /// Knows no organisation any more, as a store that has lost its data.
    Lost,
    /// Cannot be reached.
    Refuse,
}

/// The scripted service. Clones are the same one.
#[derive(Clone)]
pub struct ConfigService {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    epoch: String,
    revision: i64,
    entries: BTreeMap<String, OrganizationEntry>,
    streams: Vec<mpsc::UnboundedSender<Result<WatchResponse, Status>>>,
    /// Whether new streams are taken.
    open: bool,
    silent: bool,
    resolve: Resolve,
    resolved: Vec<String>,
    acked: i64,
    nacked: Vec<String>,
    subscriptions: usize,
}

impl ConfigService {
    pub async fn start(entries: Vec<OrganizationEntry>, lifecycle: &Lifecycle) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State {
            epoch: "epoch-1".to_owned(),
            revision: 100,
            entries: BTreeMap::new(),
            streams: Vec::new(),
            open: true,
            silent: false,
            resolve: Resolve::Answer,
            resolved: Vec::new(),
            acked: 0,
            nacked: Vec::new(),
            subscriptions: 0,
        };
        let service = Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        for entry in entries {
            service.lock().put(entry);
        }
        let serving = Server::builder()
            .add_service(ConfigWatchServiceServer::new(service.clone()))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), lifecycle.stopped().cancelled_owned());
        drop(lifecycle.spawn_detached("config-service", serving));
        let (beating, stopped) = (service.clone(), lifecycle.stopped());
        drop(lifecycle.spawn_detached(
            "heartbeats",
            stopped.run_until_cancelled_owned(async move {
                loop {
                    tokio::time::sleep(HEARTBEAT).await;
                    beating.lock().beat();
                }
            }),
        ));
        service
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes an organisation; every connected dispatcher has applied it when this returns.
    pub async fn set(&self, entry: OrganizationEntry) {
        let revision = self.set_unheard(entry);
        self.applied(revision).await;
    }

    /// Changes an organisation while nobody listens, or without waiting for who does.
    pub fn set_unheard(&self, entry: OrganizationEntry) -> i64 {
        let mut state = self.lock();
        let id = entry.organization_id.clone();
        let revision = state.put(entry);
        let entry = state.entries.get(&id).cloned();
        state.tell(Told::Change(Change { revision, organization_id: id, entry }));
        revision
    }

    /// Deletes an organisation.
    pub async fn delete(&self, id: &str) {
        let revision = {
            let mut state = self.lock();
            state.entries.remove(id);
            state.revision += 1;
            let revision = state.revision;
            state.tell(Told::Change(Change { revision, organization_id: id.to_owned(), entry: None }));
            revision
        };
        self.applied(revision).await;
    }

    /// Sends a change as it is, whatever its revision.
    pub fn tell_change(&self, revision: i64, entry: OrganizationEntry) {
        let organization_id = entry.organization_id.clone();
        let entry = OrganizationEntry { revision, ..entry };
        self.lock().tell(Told::Change(Change { revision, organization_id, entry: Some(entry) }));
    }

    /// Sends a snapshot without any entry, as a store does that has lost its data.
    pub fn tell_empty_snapshot(&self) {
        let mut state = self.lock();
        state.revision += 1;
        let (revision, epoch) = (state.revision, state.epoch.clone());
        state.tell(Told::SnapshotBegin(SnapshotBegin { revision, epoch, entry_count: 0 }));
        state.tell(Told::SnapshotEnd(SnapshotEnd { revision }));
    }

    /// Waits until a dispatcher has acknowledged a revision.
    pub async fn applied(&self, revision: i64) {
        eventually("the dispatcher acknowledges the change", async || (self.lock().acked >= revision).then_some(()))
            .await;
    }

    /// Waits until a dispatcher has refused something, and says why.
    pub async fn refusal(&self) -> String {
        eventually("the dispatcher refuses", async || self.lock().nacked.last().cloned()).await
    }

    pub fn revision(&self) -> i64 {
        self.lock().revision
    }

    /// Becomes another store, restored from a backup; its revisions begin anew.
    pub fn restored_as(&self, epoch: &str) {
        let mut state = self.lock();
        state.epoch = epoch.to_owned();
        state.revision = 1;
    }

    /// Ends every stream and takes no new one until [`ConfigService::mend`].
    pub fn cut(&self) {
        let mut state = self.lock();
        state.open = false;
        for stream in state.streams.drain(..) {
            let _ = stream.send(Err(Status::unavailable("cut by the test")));
        }
    }

    /// Ends every stream with an error; new ones are taken at once.
    pub fn interrupt(&self) {
        self.cut();
        self.lock().open = true;
    }

    /// Takes streams again.
    pub fn mend(&self) {
        let mut state = self.lock();
        state.open = true;
        state.silent = false;
        state.resolve = Resolve::Answer;
    }

    /// Goes silent: what is open stays open and nothing comes over it any more, as when one direction is cut.
    pub fn fall_silent(&self) {
        self.lock().silent = true;
    }

    /// What `ResolveOrganization` does from now on.
    pub fn resolve(&self, how: Resolve) {
        self.lock().resolve = how;
    }

    /// For which organisations `ResolveOrganization` was called.
    pub fn resolved(&self) -> Vec<String> {
        self.lock().resolved.clone()
    }

    /// How many streams have been opened so far.
    pub fn subscriptions(&self) -> usize {
        self.lock().subscriptions
    }
}

impl State {
    fn put(&mut self, entry: OrganizationEntry) -> i64 {
        self.revision += 1;
        let entry = OrganizationEntry { revision: self.revision, ..entry };
        self.entries.insert(entry.organization_id.clone(), entry);
        self.revision
    }

    fn tell(&mut self, told: Told) {
        if !self.silent {
            let response = WatchResponse { response: Some(told) };
            self.streams.retain(|stream| stream.send(Ok(response.clone())).is_ok());
        }
    }

    fn beat(&mut self) {
        let (revision, epoch) = (self.revision, self.epoch.clone());
        self.tell(Told::Heartbeat(Heartbeat { revision, epoch }));
    }

    /// Starts a stream with everything there is.
    fn subscribe(&mut self) -> mpsc::UnboundedReceiver<Result<WatchResponse, Status>> {
        let (stream, responses) = mpsc::unbounded_channel();
        let entries: Vec<_> = self.entries.values().cloned().collect();
        let begin = SnapshotBegin {
            revision: self.revision,
            epoch: self.epoch.clone(),
            entry_count: i64::try_from(entries.len()).unwrap(),
        };
        let snapshot = [
            Told::SnapshotBegin(begin),
            Told::Entries(SnapshotEntries { entries }),
            Told::SnapshotEnd(SnapshotEnd { revision: self.revision }),
        ];
        for told in snapshot {
            stream.send(Ok(WatchResponse { response: Some(told) })).unwrap();
        }
        self.subscriptions += 1;
        // A new stream is a new connection: what fell silent was the old one.
        self.silent = false;
        self.streams.push(stream);
        responses
    }
}

#[tonic::async_trait]
impl ConfigWatchService for ConfigService {
    type WatchStream = UnboundedReceiverStream<Result<WatchResponse, Status>>;

    async fn watch(&self, request: Request<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|first| first.request);
        if !matches!(first, Some(Asked::Hello(_))) {
            return Err(Status::invalid_argument("the first request is a hello"));
        }
        let responses = {
            let mut state = self.lock();
            if !state.open {
                return Err(Status::unavailable("cut by the test"));
            }
            state.subscribe()
        };
        let service = self.clone();
        // Ends with the stream.
        drop(Lifecycle::new().spawn_detached("acknowledgements", async move {
            while let Ok(Some(request)) = requests.message().await {
                match request.request {
                    Some(Asked::Ack(ack)) => {
                        let mut state = service.lock();
                        state.acked = state.acked.max(ack.revision);
                    }
                    Some(Asked::Nack(nack)) => service.lock().nacked.push(nack.reason),
                    Some(Asked::Hello(_)) | None => {}
                }
            }
        }));
        Ok(Response::new(UnboundedReceiverStream::new(responses)))
    }

    async fn resolve_organization(
        &self,
        request: Request<ResolveOrganizationRequest>,
    ) -> Result<Response<ResolveOrganizationResponse>, Status> {
        let id = request.into_inner().organization_id;
        let mut state = self.lock();
        state.resolved.push(id.clone());
        let entry = match &state.resolve {
            Resolve::Refuse => return Err(Status::unavailable("cut by the test")),
            Resolve::With(entry) => Some((**entry).clone()),
            Resolve::Lost => {
                let epoch = state.epoch.clone();
                return Ok(Response::new(ResolveOrganizationResponse { entry: None, revision: 0, epoch }));
            }
            Resolve::Answer => state.entries.get(&id).cloned(),
        };
        let (revision, epoch) = (state.revision, state.epoch.clone());
        Ok(Response::new(ResolveOrganizationResponse { entry, revision, epoch }))
    }
}
