//! Asking, and hanging up meanwhile.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures::stream::{self, Empty};
use switchboard_proto::config::v1::{
    ResolveOrganizationResponse, WatchRequest, WatchResponse,
    config_watch_service_server::{ConfigWatchService, ConfigWatchServiceServer},
};
use switchboard_providers::Registry;
use switchboard_runtime::{grpc::client, tls};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming, transport::Server};

use super::*;
use crate::{
    Config,
    outbound::{Lanes, Limits, Unlimited},
    resolver::cache::Cache,
};

/// A config-service that answers when it is told to.
#[derive(Clone)]
struct Slow {
    asked: Arc<AtomicUsize>,
    heard: Arc<Semaphore>,
    may_answer: Arc<Semaphore>,
}

#[tonic::async_trait]
impl ConfigWatchService for Slow {
    type WatchStream = Empty<Result<WatchResponse, Status>>;

    async fn watch(&self, _: Request<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(stream::empty()))
    }

    async fn resolve_organization(
        &self,
        _: Request<ResolveOrganizationRequest>,
    ) -> Result<Response<ResolveOrganizationResponse>, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.heard.add_permits(1);
        self.may_answer.acquire().await.unwrap().forget();
        Ok(Response::new(ResolveOrganizationResponse::default()))
    }
}

async fn asking(slow: &Slow, lifecycle: &Lifecycle) -> Refresh {
    tls::install_crypto();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = Server::builder()
        .add_service(ConfigWatchServiceServer::new(slow.clone()))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), lifecycle.stopped().cancelled_owned());
    drop(lifecycle.spawn_detached("config-service", serving));
    let limits = Limits::from(&Config::default());
    let sink = Sink {
        cache: Arc::new(Cache::new()),
        registry: Registry::new(&BTreeMap::new()).unwrap(),
        lanes: Lanes::new(limits, Arc::new(Unlimited)),
        kept: None,
    };
    Refresh::new(client::channel(&url, "token".into()).unwrap(), Arc::new(sink), lifecycle.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_caller_has_hung_up_is_not_the_answer_to_the_next() {
    let slow =
        Slow { asked: Arc::default(), heard: Arc::new(Semaphore::new(0)), may_answer: Arc::new(Semaphore::new(0)) };
    let lifecycle = Lifecycle::new();
    let refresh = asking(&slow, &lifecycle).await;
    tokio::select! {
        _ = refresh.once("acme") => panic!("answered by itself"),
        heard = slow.heard.acquire() => heard.unwrap().forget(),
    }
    slow.may_answer.add_permits(2);
    let ended = async {
        while !lock(&refresh.under_way).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it goes on to its end");
    assert!(refresh.once("acme").await.is_ok());
    assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
    lifecycle.stop_now();
}
