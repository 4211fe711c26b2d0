//! The look-up that every send begins with, among many organisations, kept in step by a watch and counted as in service:
//! `cargo bench -p switchboard-dispatcher --bench resolver`.

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use switchboard_dispatcher::{
    Config,
    outbound::{Lanes, Limits, Unlimited},
    resolver::{Freshness, Resolver, Source},
};
use switchboard_proto::config::v1::{
    Heartbeat, NodeKind, OrganizationEntry, ProviderAccount, ResolveOrganizationRequest, ResolveOrganizationResponse,
    Routing, SnapshotBegin, SnapshotEnd, SnapshotEntries, WatchRequest, WatchResponse,
    config_watch_service_server::{ConfigWatchService, ConfigWatchServiceServer},
    watch_response::Response as Told,
};
use switchboard_providers::Registry;
use switchboard_runtime::{
    Lifecycle,
    grpc::client,
    http::Readiness,
    telemetry,
    watch_client::{Subscriber, WatchSettings},
};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// How many there are, and how many of them send.
const ORGANIZATIONS: [(usize, usize); 4] = [(100, 100), (10_000, 10_000), (100_000, 1_000), (100_000, 100_000)];
const LOOK_UPS: usize = 2_000_000;
/// A prime: every organisation that sends comes up once a round, and none after its neighbour.
const STRIDE: usize = 48_611;
/// Look-ups that are timed together. Their ids are at hand, as that of a request is which has just been read.
const ROUND: usize = 64;
/// Entries in one part of a snapshot.
const PART: usize = 256;
const EPOCH: &str = "bench";

fn id(number: usize) -> String {
    format!("bench-{number:06}")
}

/// A config-service that holds so many organisations, each with an account, and never changes.
struct Still(usize);

#[tonic::async_trait]
impl ConfigWatchService for Still {
    type WatchStream = stream::BoxStream<'static, Result<WatchResponse, Status>>;

    async fn watch(&self, _: Request<Streaming<WatchRequest>>) -> Result<Response<Self::WatchStream>, Status> {
        let (count, epoch) = (self.0, EPOCH.to_owned());
        let entry_count = i64::try_from(count).unwrap_or(i64::MAX);
        let begin = Told::SnapshotBegin(SnapshotBegin { revision: 1, epoch, entry_count });
        let parts = (0..count).step_by(PART).map(move |first| {
            let entries = (first..count.min(first + PART)).map(entry).collect();
            Told::Entries(SnapshotEntries { entries })
        });
        let snapshot = [begin].into_iter().chain(parts).chain([Told::SnapshotEnd(SnapshotEnd { revision: 1 })]);
        let beats = stream::unfold((), |()| async {
            sleep(Duration::from_millis(500)).await;
            Some((Told::Heartbeat(Heartbeat { revision: 1, epoch: EPOCH.to_owned() }), ()))
        });
        let told = stream::iter(snapshot).chain(beats);
        Ok(Response::new(told.map(|told| Ok(WatchResponse { response: Some(told) })).boxed()))
    }

    async fn resolve_organization(
        &self,
        _: Request<ResolveOrganizationRequest>,
    ) -> Result<Response<ResolveOrganizationResponse>, Status> {
        Err(Status::unavailable("everything is in the snapshot"))
    }
}

fn entry(number: usize) -> OrganizationEntry {
    let credentials = [("service_id", "svc"), ("access_key", "AK-bench-0001"), ("secret_key", "SK-bench-secret")];
    OrganizationEntry {
        organization_id: id(number),
        revision: 1,
        routing: Some(Routing { primary: "cloudmsg".to_owned(), ..Routing::default() }),
        accounts: vec![ProviderAccount {
            provider: "cloudmsg".to_owned(),
            provider_account: format!("svc-{number}"),
            version: 1,
            credentials: credentials.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..ProviderAccount::default()
        }],
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::metrics()?;
    for (count, senders) in ORGANIZATIONS {
        let nanoseconds = among(count, senders).await?;
        #[expect(clippy::print_stdout, reason = "what a bench is for")]
        {
            println!(
                "a look-up among {count} organisations, {senders} of which send in an order without pattern: \
                 {nanoseconds:.0} ns"
            );
        }
    }
    Ok(())
}

async fn among(count: usize, senders: usize) -> anyhow::Result<f64> {
    let lifecycle = Lifecycle::with_grace(Duration::from_secs(5));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = Server::builder()
        .add_service(ConfigWatchServiceServer::new(Still(count)))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), lifecycle.stopped().cancelled_owned());
    drop(lifecycle.spawn_detached("config-service", serving));
    let resolver = start(&url, &lifecycle)?;
    while resolver.resolve(&id(count - 1)).await.is_err() {
        sleep(Duration::from_millis(10)).await;
    }
    let mut took = Duration::ZERO;
    for first in (0..LOOK_UPS).step_by(ROUND) {
        // Those that send lie anywhere among the others.
        let number = |look_up: usize| look_up * STRIDE % senders * (count / senders);
        let ids: Vec<String> = (first..first + ROUND).map(|look_up| id(number(look_up))).collect();
        let begun = Instant::now();
        for id in &ids {
            black_box(resolver.resolve(id).await?);
        }
        took += begun.elapsed();
    }
    #[expect(clippy::cast_precision_loss, reason = "two millions are far below 2^52")]
    let nanoseconds = took.as_secs_f64() * 1e9 / LOOK_UPS as f64;
    lifecycle.shutdown().await?;
    Ok(nanoseconds)
}

fn start(url: &str, lifecycle: &Lifecycle) -> anyhow::Result<Resolver> {
    let config = Config::default();
    let limits = Limits::from(&config);
    let subscriber = Subscriber {
        node_id: "bench".to_owned(),
        kind: NodeKind::Dispatcher,
        settings: WatchSettings::default(),
        max_stale: None,
    };
    let source = Source { subscriber, channel: client::channel(url, "bench".into())?, kept: None };
    let freshness = Freshness {
        cache_ttl: config.cache_ttl,
        max_stale: config.max_stale,
        require_known_organization: config.require_known_organization,
    };
    let check = Readiness::new().register("mappings");
    let lanes = Lanes::new(limits, Arc::new(Unlimited));
    Ok(Resolver::start(source, Registry::new(&BTreeMap::new())?, lanes, freshness, lifecycle, check))
}
