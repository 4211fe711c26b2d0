//! From settings to a running service.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use switchboard_proto::{
    FILE_DESCRIPTOR_SET,
    config::v1::NodeKind,
    dispatch::v1::{
        delivery_status_service_server::DeliveryStatusServiceServer, message_service_server::MessageServiceServer,
    },
};
use switchboard_providers::Registry;
use switchboard_runtime::{
    auth::{AuthLayer, Gatekeeper},
    bind::bind,
    config::TokenSource,
    grpc::{GrpcServer, client},
    http::{self, Readiness},
    process::{Process, Started},
    telemetry,
    tls::Tls,
    watch_client::Subscriber,
};
use tonic::service::Routes;

use crate::{
    Config,
    api::{DeliveryStatus, Messages, policy},
    gauges::Gauges,
    history::{self, History},
    outbound::{Lanes, Limits, LocalRate, Rate, SharedRate, Unlimited},
    prepare::AdRules,
    reconcile::{Policy, Reconciler},
    resolver::{Freshness, Resolver},
    retention::Retention,
    send::Sends,
    store::{Store, postgres::PostgresStore, sqlite::SqliteStore},
};

/// Largest request: three images of 300 KB, a long text and some room.
const LARGEST_REQUEST: usize = 2 * 1024 * 1024;
/// Largest batch of status updates.
const LARGEST_REPORT: usize = 4 * 1024 * 1024;

/// Starts the dispatcher: ports are bound, the history is open, and its tasks run in the process's lifecycle.
///
/// # Errors
///
/// One sentence that names the setting and the remedy.
pub async fn start(mut config: Config, registry: Registry, process: &Process) -> anyhow::Result<Started> {
    config.read_files()?;
    let lifecycle = &process.lifecycle;
    // Before anything makes a handle that is to count.
    let metrics = telemetry::metrics()?;
    existing_counters(&registry);
    let tokens_file = process.auth.tokens_file.as_deref();
    let source = TokenSource { token: config.token.clone(), token_file: config.token_file.clone() };
    let token = source.resolve("dispatcher", "dispatcher", tokens_file)?;
    let readiness = Readiness::new();
    let gatekeeper = Gatekeeper::start(&process.auth, &process.clock, &readiness, lifecycle).await?;
    let tls = Tls::start(&process.tls, &process.clock, lifecycle)?;
    let listener = bind("dispatcher", "dispatcher.listen", config.listen.address()).await?;
    let metrics_listener =
        bind("dispatcher metrics", "dispatcher.metrics_listen", config.metrics_listen.address()).await?;
    let started = Started { address: listener.local_addr()?, metrics_address: metrics_listener.local_addr()? };

    config.retention.check()?;
    let store = open_store(&config, &process.data_dir).await?;
    history::watch_health(Arc::clone(&store), readiness.register("history"), lifecycle);
    Retention::new(Arc::clone(&store), Arc::clone(&process.clock), config.retention.clone()).start(lifecycle);
    let history = History::start(Arc::clone(&store), lifecycle);

    let limits = Limits {
        concurrency: config.account_concurrency.max(1),
        queue: config.account_queue,
        queue_wait: config.queue_wait,
        send_timeout: config.send_timeout,
        breaker: (&config.breaker).into(),
    };
    let lanes = Arc::new(Lanes::new(limits, rate(&config, process.redis_url.as_deref())?));
    Gauges { history: history.clone(), store, lanes: Arc::clone(&lanes) }.start(lifecycle);
    let channel = client::channel_over(&config.config_service_url, token, &tls.client)
        .context("dispatcher.config_service_url")?;
    let subscriber = Subscriber {
        node_id: config
            .node_id
            .clone()
            .unwrap_or_else(|| format!("dispatcher-{}", process.ids.next(process.clock.now()))),
        kind: NodeKind::Dispatcher,
        resume_from: None,
        settings: config.watch.clone(),
    };
    let freshness = Freshness {
        cache_ttl: config.cache_ttl,
        max_stale: config.max_stale,
        require_known_organization: config.require_known_organization,
    };
    let mappings = readiness.register("mappings");
    let resolver = Arc::new(Resolver::start(subscriber, channel, registry, lanes, freshness, lifecycle, mappings));

    let sends = Sends::new(
        Arc::clone(&resolver),
        history.clone(),
        Arc::clone(&process.clock),
        process.ids.clone(),
        lifecycle.clone(),
        config.retry_for,
    );
    let reconciliation = Policy {
        interval: (config.reconcile_after / 4).clamp(Duration::from_millis(200), Duration::from_secs(5)),
        result_horizon: config.result_horizon,
        longest_send: 2 * config.send_timeout + config.retry_for + Duration::from_secs(5),
        absence_margin: config.absence_margin,
        look_up_timeout: config.send_timeout,
    };
    let clock = || Arc::clone(&process.clock);
    Reconciler::new(history.clone(), Arc::clone(&resolver), sends.clone(), clock(), reconciliation).start(lifecycle);
    let rules = AdRules { night: config.ad_night_window };
    let messages = Messages::new(sends.clone(), history.clone(), rules, Arc::clone(&process.clock));
    let status = DeliveryStatus::new(history, sends, Arc::clone(&process.clock));
    let routes = Routes::new(MessageServiceServer::new(messages).max_decoding_message_size(LARGEST_REQUEST))
        .add_service(DeliveryStatusServiceServer::new(status).max_decoding_message_size(LARGEST_REPORT));
    let server = GrpcServer::new("dispatcher")
        .with_reflection(FILE_DESCRIPTOR_SET)
        .with_tls(tls.server)
        .with_auth(AuthLayer::new(Arc::new(gatekeeper), policy::policy()));
    lifecycle.spawn("dispatcher gRPC", server.serve(listener, routes, readiness.clone(), lifecycle.clone()));
    http::start(metrics_listener, readiness, metrics, lifecycle);
    Ok(started)
}

/// Counters whose first step somebody must see are there before it.
fn existing_counters(registry: &Registry) {
    for name in
        ["switchboard_doubled_messages_total", "switchboard_history_errors_total", "switchboard_history_retries_total"]
    {
        metrics::counter!(name).increment(0);
    }
    metrics::counter!("switchboard_redis_fallbacks_total", "use" => "rate").increment(0);
    for vendor in registry.iter() {
        let provider = vendor.descriptor().code;
        metrics::counter!("switchboard_unusable_accounts_total", "provider" => provider).increment(0);
    }
}

/// The rate of the vendor accounts: shared where there is a Redis to share it.
fn rate(config: &Config, redis_url: Option<&str>) -> anyhow::Result<Arc<dyn Rate>> {
    Ok(match (NonZeroU32::new(config.account_rate), redis_url) {
        (None, _) => Arc::new(Unlimited),
        (Some(rate), None) => Arc::new(LocalRate::new(rate)),
        (Some(rate), Some(url)) => {
            let shared = SharedRate::new(url, rate);
            Arc::new(shared.context("redis_url is not an address: use redis://HOST:PORT, for example")?)
        }
    })
}

/// Brings the history's schema up to date. Safe to run twice and by several at once.
///
/// # Errors
///
/// When the database cannot be opened, or a migration fails or was edited after it had been applied.
pub async fn migrate(config: &Config, process: &Process) -> anyhow::Result<()> {
    let mut config = config.clone();
    config.read_files()?;
    if let Some(url) = postgres_url(&config) {
        return PostgresStore::migrate(url).await.context("dispatcher.database_url");
    }
    // Opening a file migrates it.
    open_store(&config, &process.data_dir).await.map(drop)
}

fn postgres_url(config: &Config) -> Option<&str> {
    config.database_url.as_deref().filter(|url| url.starts_with("postgres://") || url.starts_with("postgresql://"))
}

/// Opens the history where the settings say. A file is brought up to date; a server must have been (`switchboard
/// migrate`). Errors do not show a server's address: it may hold a password.
async fn open_store(config: &Config, data_dir: &Path) -> anyhow::Result<Arc<dyn Store>> {
    let url = config.database_url.as_deref();
    if let Some(url) = postgres_url(config) {
        let store = PostgresStore::open(url, config.database_pool.into(), config.reconcile_after)
            .await
            .context("dispatcher.database_url: the PostgreSQL database cannot be opened")?;
        return Ok(Arc::new(store));
    }
    let path = match url.map(|url| url.strip_prefix("sqlite://")) {
        None => data_dir.join("dispatcher.db"),
        Some(Some(path)) if !path.is_empty() => PathBuf::from(path),
        Some(_) => anyhow::bail!(
            "dispatcher.database_url is not an address this version can open: use sqlite://PATH or postgres://HOST/DATABASE"
        ),
    };
    let store = SqliteStore::open(&path, config.reconcile_after)
        .await
        .with_context(|| format!("dispatcher.database_url: the database {} cannot be opened", path.display()))?;
    Ok(Arc::new(store))
}
