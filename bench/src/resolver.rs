//! The look-up that every send begins with, among many organisations: in this process, kept in step by a real
//! config-service, and counted as in the dispatcher.

use std::{hint::black_box, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use switchboard_dispatcher::{
    Config,
    outbound::{Lanes, Limits, Unlimited},
    resolver::{Freshness, Resolver, Source},
};
use switchboard_proto::config::v1::NodeKind;
use switchboard_providers::Registry;
use switchboard_runtime::{
    Lifecycle,
    grpc::client,
    http::Readiness,
    telemetry,
    watch_client::{Subscriber, WatchSettings},
};
use tokio::time::{Instant, sleep};

use crate::{
    host::{self, Child, own_program},
    output,
    stats::median,
    switchboard::{self, House},
};

const GOAL_NS: f64 = 100.0;
const PATIENCE: Duration = Duration::from_secs(60);

/// Flags.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// Organisations, each with credentials of its own
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    organizations: u32,
    /// Runs over all organisations, in an order without pattern; the median counts
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// `switchboard-bench resolver`.
///
/// # Errors
/// When a service does not do its part.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let program = switchboard::program()?;
    let folder = host::folder()?;
    let (_vendor, address) = Child::start_own("vendor", own_program(&["sink"])?, folder.path()).await?;
    let house = House::build(&program.0, &folder.path().join("house"), &format!("http://{address}")).await?;
    switchboard::create_many(args.organizations, &house).await?;

    telemetry::metrics()?;
    let lifecycle = Lifecycle::with_grace(Duration::from_secs(5));
    let resolver = start(&house, &lifecycle)?;
    let ids: Vec<String> = (1..=args.organizations).map(switchboard::organization_id).collect();
    let deadline = Instant::now() + PATIENCE;
    while resolver.resolve(ids.last().context("no organisations")?).await.is_err() {
        anyhow::ensure!(Instant::now() < deadline, "the resolver has not come into step in {PATIENCE:?}");
        sleep(Duration::from_millis(10)).await;
    }
    let mut nanoseconds = Vec::new();
    for _ in 0..args.runs {
        nanoseconds.push(all_of(&resolver, &ids).await?);
    }
    lifecycle.shutdown().await?;
    let each = median(nanoseconds);
    let met = if each <= GOAL_NS { "met" } else { "MISSED" };
    output::line(host::machine(folder.path()))?;
    output::line(format_args!(
        "a look-up among {} organisations: {each:.0} ns (goal ≤ {GOAL_NS:.0}: {met})",
        args.organizations
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn start(house: &House, lifecycle: &Lifecycle) -> anyhow::Result<Resolver> {
    let config = Config::default();
    let limits = Limits {
        concurrency: config.account_concurrency,
        queue: config.account_queue,
        queue_wait: config.queue_wait,
        send_timeout: config.send_timeout,
        breaker: (&config.breaker).into(),
    };
    let source = Source {
        subscriber: Subscriber {
            node_id: "bench".to_owned(),
            kind: NodeKind::Dispatcher,
            settings: WatchSettings::default(),
            max_stale: None,
        },
        channel: client::channel(&house.config_service().url, house.token("dispatcher")?)?,
        kept: None,
    };
    let freshness = Freshness {
        cache_ttl: config.cache_ttl,
        max_stale: config.max_stale,
        require_known_organization: config.require_known_organization,
    };
    let registry = Registry::new(&std::collections::BTreeMap::new())?;
    let check = Readiness::new().register("mappings");
    Ok(Resolver::start(source, registry, Lanes::new(limits, Arc::new(Unlimited)), freshness, lifecycle, check))
}

/// Looks all of them up in strides, so that no cache of the processor helps; nanoseconds for each.
async fn all_of(resolver: &Resolver, ids: &[String]) -> anyhow::Result<f64> {
    // A prime: every organisation comes up once, and none after its neighbour.
    const STRIDE: usize = 48_611;
    let begun = Instant::now();
    for number in 0..ids.len() {
        black_box(resolver.resolve(&ids[number * STRIDE % ids.len()]).await?);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
    let count = ids.len() as f64;
    Ok(begun.elapsed().as_secs_f64() * 1e9 / count)
}
