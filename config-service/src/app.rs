//! From settings to a running service.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use futures::FutureExt as _;
use switchboard_proto::{
    FILE_DESCRIPTOR_SET,
    config::v1::{
        config_admin_service_server::ConfigAdminServiceServer, config_watch_service_server::ConfigWatchServiceServer,
    },
};
use switchboard_providers::Registry;
use switchboard_runtime::{
    auth::{AuthLayer, Gatekeeper},
    bind::bind,
    dependency::{Dependency, Unreached},
    error::Reason,
    grpc::{GrpcServer, LateRoutes},
    http::{self, Check, Readiness},
    process::{Process, Started},
    telemetry,
    tls::Tls,
};
use tonic::service::Routes as GrpcRoutes;

use crate::{
    Config,
    api::{Admin, Watch, policy::policy},
    audit::{Denials, Draft, LateDenials, OK, Trail},
    connection_test::Tester,
    organizations::Organizations,
    provider_configs::ProviderConfigs,
    routing::Routes,
    sealing::{self, Keys, Rotation},
    store::{self, Establishment, Store, StoreError, Target},
    watch::{
        Hub, LagGauges, NodeKind, Nodes, Opener, Polling, Propagation, RedisWake, Reports, Retention, Wake, WatchTimes,
    },
};

/// Largest request: credentials of every field at its longest, and some room.
const LARGEST_REQUEST: usize = 256 * 1024;
/// How much more often than for changes one looks for what other replicas have told, while somebody waits for it.
const LOOKS: u32 = 10;

/// Starts config-service: ports are bound, its tasks run in the process's lifecycle, and the store is open or, where its
/// server is not there yet, waited for.
///
/// # Errors
///
/// One sentence that names the setting and the remedy.
pub async fn start(mut config: Config, registry: Registry, process: &Process) -> anyhow::Result<Started> {
    config.check()?;
    config.read_files()?;
    let Process { lifecycle, clock, .. } = process;
    // Before anything makes a handle that is to count.
    let metrics = telemetry::metrics()?;
    existing_counters();
    let readiness = Readiness::new();
    let gatekeeper = Gatekeeper::start(&process.auth, clock, &readiness, lifecycle).await?;
    let tls = Tls::start(&process.tls, clock, lifecycle)?;
    let keys = Keys::load(&config.key_file(&process.data_dir))?;
    let listener = bind("config-service", "config_service.listen", config.listen.address()).await?;
    let metrics_listener =
        bind("config-service metrics", "config_service.metrics_listen", config.metrics_listen.address()).await?;
    let started = Started { address: listener.local_addr()?, metrics_address: metrics_listener.local_addr()? };

    let target = Target::parse(config.database_url.as_deref(), &process.data_dir)?;
    let wake: Arc<dyn Wake> = match &process.redis_url {
        Some(url) => Arc::new(RedisWake::start(url, &keys.ring().fingerprint(), lifecycle)?),
        None => Arc::new(Polling::default()),
    };
    let check = readiness.register("configuration store");
    let services = LateRoutes::new(Reason::ConfigUnavailable, NOT_THERE, &readiness);
    let denials = Arc::new(LateDenials::default());
    let server = GrpcServer::new("config-service")
        .with_reflection(FILE_DESCRIPTOR_SET)
        .with_tls(tls.server)
        .with_auth(AuthLayer::new(Arc::new(gatekeeper), policy()).with_observer(denials.clone()));
    let serving = server.serve(listener, services.routes(), readiness.clone(), lifecycle.clone());
    lifecycle.spawn("config-service gRPC", serving);
    http::start(metrics_listener, readiness, metrics, lifecycle);

    let database = Dependency::new("the configuration store's database", check.clone());
    let (reaching, process) = (database.clone(), process.clone());
    let opening = async move {
        let store = reaching.reach(|| open(target.clone(), keys.clone(), process.clone()).boxed()).await?;
        let is_shared = matches!(target, Target::Postgres(_));
        let parts = Parts { store, is_shared, keys, wake, check, registry, denials };
        services.fill(begin(parts, &reaching, &config, &process).await?);
        Ok(())
    };
    database.open(lifecycle, opening).await?;
    Ok(started)
}

/// What callers hear until the store is open.
const NOT_THERE: &str = "the configuration store is not there yet";

/// What the services are made of, once the store is open.
struct Parts {
    store: Arc<dyn Store>,
    /// Whether other replicas use the same store.
    is_shared: bool,
    keys: Keys,
    wake: Arc<dyn Wake>,
    check: Check,
    registry: Registry,
    denials: Arc<LateDenials>,
}

/// Begins everything that works on the store.
async fn begin(parts: Parts, database: &Dependency, config: &Config, process: &Process) -> anyhow::Result<GrpcRoutes> {
    let Parts { store, is_shared, keys, wake, check, registry, denials: early_denials } = parts;
    let Process { lifecycle, clock, ids, .. } = process;
    let nodes = Nodes::new(Arc::clone(clock));
    let replica = ids.next(clock.now());
    let times = WatchTimes {
        heartbeat: config.heartbeat_interval,
        poll: config.poll_interval,
        patience: config.subscriber_patience,
        queue: config.subscriber_queue,
    };
    let opener = Opener::new(keys.clone(), registry.clone());
    let hub = || {
        let (store, opener, wake) = (Arc::clone(&store), opener.clone(), Arc::clone(&wake));
        let hub = Hub::new(store, opener, wake, times, Arc::clone(clock), ids.clone());
        async { hub.await.map_err(unreached) }.boxed()
    };
    let hub = database.reach(hub).await?;
    hub.start(check, lifecycle);
    let retention = Retention { keep: config.change_retention, store: Arc::clone(&store), clock: Arc::clone(clock) };
    retention.start(lifecycle);
    if is_shared {
        // A file has one replica: there is nobody to tell.
        let reports = Reports {
            nodes: nodes.clone(),
            store: Arc::clone(&store),
            wake: Arc::clone(&wake),
            replica: replica.clone(),
            clock: Arc::clone(clock),
        };
        reports.start(lifecycle);
    }

    let trail = Trail::new(Arc::clone(&store), keys.clone(), Arc::clone(clock));
    let denials = Denials::start(trail.clone(), Arc::clone(clock), lifecycle);
    let tester = Tester::new(registry.clone(), keys.clone(), Arc::clone(clock), config.connection_test_timeout);
    let overlap = config.webhook_secret_overlap;
    let admin = Admin {
        organizations: Organizations::new(Arc::clone(&store), Arc::clone(clock), ids.clone()),
        configs: ProviderConfigs::new(
            Arc::clone(&store),
            registry.clone(),
            keys,
            tester.clone(),
            Arc::clone(clock),
            overlap,
        ),
        routes: Routes::new(Arc::clone(&store), registry, Arc::clone(clock)),
        tester,
        trail,
        denials: denials.clone(),
        hub: hub.clone(),
        propagation: Propagation {
            nodes: nodes.clone(),
            store,
            wake,
            look: config.poll_interval / LOOKS,
            replica,
            clock: Arc::clone(clock),
        },
        clock: Arc::clone(clock),
        lifecycle: lifecycle.clone(),
    };
    LagGauges { hub: hub.clone(), nodes: nodes.clone() }.start(lifecycle);
    let watch = Watch { hub, nodes, denials: denials.clone(), clock: Arc::clone(clock), lifecycle: lifecycle.clone() };
    early_denials.hand_to(denials);
    Ok(GrpcRoutes::new(ConfigAdminServiceServer::new(admin).max_decoding_message_size(LARGEST_REQUEST))
        .add_service(ConfigWatchServiceServer::new(watch).max_decoding_message_size(LARGEST_REQUEST)))
}

/// Opens the store and makes sure that it is the one of this key ring.
async fn open(target: Target, keys: Keys, process: Process) -> Result<Arc<dyn Store>, Unreached> {
    let store = store::open(&target).await.map_err(|error| {
        let may_pass = matches!(target, Target::Postgres(_)) && error.may_pass();
        if may_pass { Unreached::Absent(error.into()) } else { Unreached::Wrong(error.into()) }
    })?;
    match establish(store.as_ref(), &keys, &process).await {
        Ok(()) => Ok(store),
        Err(why) => Err(unreached(why)),
    }
}

fn unreached(why: impl Into<anyhow::Error>) -> Unreached {
    let why = why.into();
    match why.downcast_ref::<StoreError>() {
        Some(error) if error.is_unavailable() => Unreached::Absent(why),
        _ => Unreached::Wrong(why),
    }
}

/// Counters whose first step somebody must see are there before it.
fn existing_counters() {
    for name in ["switchboard_config_audit_lost_total", "switchboard_config_unsealable_total"] {
        metrics::counter!(name).increment(0);
    }
    metrics::counter!("switchboard_redis_fallbacks_total", "use" => "wake").increment(0);
    for kind in [NodeKind::Dispatcher, NodeKind::WebhookGateway] {
        metrics::counter!("switchboard_config_nacks_total", "node_kind" => kind.as_str()).increment(0);
    }
}

/// Brings the schema of the store up to date. Safe to run twice and concurrently.
///
/// # Errors
///
/// One sentence that names the store and what is wrong with it.
pub async fn migrate(config: &Config, data_dir: &Path) -> anyhow::Result<()> {
    let mut config = config.clone();
    config.read_files()?;
    let target = Target::parse(config.database_url.as_deref(), data_dir)?;
    store::migrate(&target).await?;
    Ok(())
}

/// Rotates the key ring over the store, or finishes a rotation that was interrupted; the service may be running.
/// `actor` is who the audit trail names.
///
/// # Errors
///
/// One sentence; running it again goes on where it stopped.
pub async fn rotate_keys(config: &Config, process: &Process, actor: &str) -> anyhow::Result<Rotation> {
    let mut config = config.clone();
    config.read_files()?;
    let target = Target::parse(config.database_url.as_deref(), &process.data_dir)?;
    let store = store::open(&target).await?;
    let event = system_event(process, actor, "RotateKeys");
    Ok(sealing::rotate(&config.key_file(&process.data_dir), store.as_ref(), &process.clock, event).await?)
}

/// Makes a new store usable, and refuses one whose credentials this key ring cannot open.
async fn establish(store: &dyn Store, keys: &Keys, process: &Process) -> anyhow::Result<()> {
    let ring = keys.ring();
    let establishment = Establishment {
        epoch: process.ids.next(process.clock.now()),
        key_ring: ring.fingerprint(),
        event: system_event(process, "system", "EstablishStore"),
    };
    let standing = store.establish(&establishment).await?;
    anyhow::ensure!(
        standing.key_ring == ring.fingerprint(),
        "the key ring (config_service.key_file) belongs to another store: restore the one that this store was made with"
    );
    for version in store.key_versions().await?.into_iter().chain([standing.key_floor]) {
        ring.usable(version).context("the key ring (config_service.key_file) does not open what is in the store")?;
    }
    Ok(())
}

fn system_event(process: &Process, actor: &str, action: &str) -> Draft {
    Draft {
        at: process.clock.now(),
        actor: actor.to_owned(),
        roles: Vec::new(),
        action: action.to_owned(),
        organization_id: String::new(),
        provider: String::new(),
        outcome: OK.to_owned(),
        changes: Vec::new(),
        forced: false,
        request_id: String::new(),
        peer: String::new(),
    }
}
