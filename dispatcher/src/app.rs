//! From settings to a running service.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use anyhow::Context as _;
use switchboard_proto::{
    FILE_DESCRIPTOR_SET,
    config::v1::NodeKind,
    dispatch::v1::{
        delivery_status_service_server::DeliveryStatusServiceServer, message_service_server::MessageServiceServer,
        webhook_admin_service_server::WebhookAdminServiceServer,
    },
};
use switchboard_providers::Registry;
use switchboard_runtime::{
    Lifecycle,
    auth::{AuthLayer, Gatekeeper},
    bind::bind,
    config::{ConfigError, TokenSource},
    dependency::Dependency,
    grpc::{GrpcServer, client},
    http::{self, Check, Readiness},
    process::{Process, Started},
    telemetry,
    tls::Tls,
    watch_client::Subscriber,
};
use tonic::service::Routes;

use crate::{
    Config,
    api::{DeliveryStatus, Messages, WebhookAdmin, policy},
    callbacks::{Quarantine, Reports},
    gauges::Gauges,
    history::History,
    outbound::{Lanes, Limits, LocalRate, Rate, SharedRate, Unlimited},
    prepare::AdRules,
    reconcile::{Policy, Reconciler},
    resolver::{Freshness, Kept, RedisShelf, Resolver, SnapshotKey, Source},
    retention::Retention,
    send::Sends,
    store::{LateStore, Store, Target},
};

/// Largest request: three images of 300 KB, a long text and some room.
const LARGEST_REQUEST: usize = 2 * 1024 * 1024;
/// Largest batch of status updates.
const LARGEST_REPORT: usize = 4 * 1024 * 1024;

/// What a send may take beyond its calls, repetitions and waits.
const SLACK: Duration = Duration::from_secs(5);
/// The kept mappings, under `data_dir`.
const KEPT: &str = "mappings.sealed";

/// Starts the dispatcher: ports are bound, its tasks run in the process's lifecycle, and the history is open or, where its
/// server is not there yet, waited for.
///
/// # Errors
///
/// One sentence that names the setting and the remedy.
pub async fn start(mut config: Config, registry: Registry, process: &Process) -> anyhow::Result<Started> {
    config.read_files()?;
    config.check()?;
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

    let target = Target::parse(config.database_url.as_deref(), &process.data_dir, config.database_pool.into())?;
    http::start(metrics_listener, readiness.clone(), metrics, lifecycle);
    let patience = match &target {
        Target::Postgres { .. } => Some(config.record_timeout),
        Target::Sqlite(_) => None,
    };
    let check = readiness.register("history");
    let store = open_or_wait(target, config.reconcile_after, check.clone(), lifecycle).await?;
    Retention::new(Arc::clone(&store), Arc::clone(&process.clock), config.retention.clone()).start(lifecycle);
    let mut history = History::start(Arc::clone(&store), lifecycle);
    if let Some(patience) = patience {
        history = history.with_patience(patience);
    }
    history.watch_health(check, lifecycle);

    let limits = Limits::from(&config);
    let lanes = Lanes::new(limits, rate(&config, process.redis_url.as_deref())?);
    Gauges { history: history.clone(), store: Arc::clone(&store), lanes: lanes.clone() }.start(lifecycle);
    let channel = client::channel_over(&config.config_service_url, token, &tls.client)
        .context(ConfigError::new("dispatcher.config_service_url"))?;
    let subscriber = Subscriber {
        node_id: config
            .node_id
            .clone()
            .unwrap_or_else(|| format!("dispatcher-{}", process.ids.next(process.clock.now()))),
        kind: NodeKind::Dispatcher,
        settings: config.watch.clone(),
        max_stale: Some(config.max_stale),
    };
    let source = Source { subscriber, channel, kept: kept(&config, process)? };
    let freshness = Freshness {
        cache_ttl: config.cache_ttl,
        max_stale: config.max_stale,
        require_known_organization: config.require_known_organization,
    };
    let mappings = readiness.register("mappings");
    let vendors = registry.clone();
    let resolver = Arc::new(Resolver::start(source, vendors, lanes, freshness, lifecycle, mappings));

    // The first call, repetitions of it, a place with another vendor; then a last call.
    let call_within = config.send_timeout + config.retry_for + config.queue_wait + SLACK;
    let sends = Sends::new(
        Arc::clone(&resolver),
        history.clone(),
        Arc::clone(&process.clock),
        process.ids.clone(),
        lifecycle.clone(),
        config.retry_for,
        call_within,
    );
    let rules = AdRules { night: config.ad_night_window };
    let reconciliation = Policy {
        interval: (config.reconcile_after / 4).clamp(Duration::from_millis(200), Duration::from_secs(5)),
        result_horizon: config.result_horizon,
        longest_send: call_within + config.send_timeout,
        absence_margin: config.absence_margin,
        look_up_timeout: config.send_timeout,
        rules,
    };
    let clock = || Arc::clone(&process.clock);
    Reconciler::new(history.clone(), Arc::clone(&store), Arc::clone(&resolver), sends.clone(), clock(), reconciliation)
        .start(lifecycle);
    let messages = Messages::new(sends.clone(), history.clone(), rules, config.result_horizon, clock());
    let reports = Reports::new(history, Arc::clone(&store), sends, clock());
    let quarantine = Quarantine::new(store, reports.clone(), registry, clock(), process.ids.clone());
    let status = DeliveryStatus::new(reports.clone(), quarantine.clone(), clock());
    let webhooks = WebhookAdmin::new(quarantine, reports);
    let routes = Routes::new(MessageServiceServer::new(messages).max_decoding_message_size(LARGEST_REQUEST))
        .add_service(DeliveryStatusServiceServer::new(status).max_decoding_message_size(LARGEST_REPORT))
        .add_service(WebhookAdminServiceServer::new(webhooks));
    let server = GrpcServer::new("dispatcher")
        .with_reflection(FILE_DESCRIPTOR_SET)
        .with_tls(tls.server)
        .with_auth(AuthLayer::new(Arc::new(gatekeeper), policy::policy()));
    lifecycle.spawn("dispatcher gRPC", server.serve(listener, routes, readiness, lifecycle.clone()));
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
        metrics::counter!("switchboard_status_conflicts_total", "provider" => provider).increment(0);
    }
}

fn no_redis() -> ConfigError {
    ConfigError::new("redis_url is not an address: use redis://HOST:PORT, for example")
}

/// The rate of the vendor accounts: shared where there is a Redis to share it.
fn rate(config: &Config, redis_url: Option<&str>) -> anyhow::Result<Arc<dyn Rate>> {
    Ok(match (NonZeroU32::new(config.account_rate), redis_url) {
        (None, _) => Arc::new(Unlimited),
        (Some(rate), None) => Arc::new(LocalRate::new(rate)),
        (Some(rate), Some(url)) => {
            let shared = SharedRate::new(url, rate);
            Arc::new(shared.map_err(|_| no_redis())?)
        }
    })
}

/// Where the last known mappings are kept for the next start; nowhere without a key to seal them with.
fn kept(config: &Config, process: &Process) -> anyhow::Result<Option<Kept>> {
    let file = config.snapshot_key_file(&process.data_dir);
    let Some(key) = SnapshotKey::load(&file).context("dispatcher.snapshot_key_file")? else {
        anyhow::ensure!(
            config.snapshot_key_file.is_none(),
            "dispatcher.snapshot_key_file: there is no file {}: run `switchboard keys snapshot`, or leave the setting out",
            file.display()
        );
        tracing::warn!(
            "the mappings are not kept for a start without config-service: run `switchboard keys snapshot` to make the key \
             that seals them (dispatcher.snapshot_key_file)"
        );
        return Ok(None);
    };
    let clock = Arc::clone(&process.clock);
    Ok(Some(match &process.redis_url {
        Some(url) => {
            let shelf = RedisShelf::new(url, &key, config.max_stale);
            // What the driver says of a URL may hold its password.
            let shelf = shelf.map_err(|_| no_redis())?;
            Kept::in_redis(shelf, key, config.max_stale, clock)
        }
        None => Kept::in_file(&process.data_dir.join(KEPT), key, config.max_stale, clock),
    }))
}

/// Opens the history, or waits in the background for a server that is not there yet: then everything that needs the
/// history is refused until it is.
async fn open_or_wait(
    target: Target,
    reconcile_after: Duration,
    check: Check,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Arc<dyn Store>> {
    let (late, history) =
        (Arc::new(LateStore::new(reconcile_after)), Dependency::new("the message history's database", check));
    let (opened, reaching) = (Arc::clone(&late), history.clone());
    let opening = async move {
        opened.open(reaching.reach(|| target.clone().open(reconcile_after)).await?);
        Ok(())
    };
    history.open(lifecycle, opening).await?;
    Ok(late)
}

/// Brings the history's schema up to date. Safe to run twice and by several at once.
///
/// # Errors
///
/// When the database cannot be opened, or a migration fails or was edited after it had been applied.
pub async fn migrate(config: &Config, process: &Process) -> anyhow::Result<()> {
    let mut config = config.clone();
    config.read_files()?;
    let target = Target::parse(config.database_url.as_deref(), &process.data_dir, config.database_pool.into())?;
    target.migrate(config.reconcile_after).await
}
