//! Verified callbacks through gateway and dispatcher until they are committed: events a second, and what they cost.

mod events;
mod flood;
mod messages;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::{
    host::{self, Child, Group, own_program},
    output,
    postgres::Postgres,
    switchboard::{self, House},
};

const GOAL_PER_S: f64 = 30_000.0;
const GOAL_US: f64 = 45.0;

/// Flags.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// Messages to send first; each gets one event
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    messages: u32,
    /// Events in one callback
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    events: u32,
    /// Callbacks under way at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    in_flight: u32,
    /// Organisations that the messages are of, each with an account of its own
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    organizations: u32,
    /// Where the dispatcher keeps its history
    #[arg(long, value_enum, default_value_t = Engine::Postgres)]
    database: Engine,
}

/// A database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// A throw-away PostgreSQL
    Postgres,
    /// Embedded
    Sqlite,
}

/// `switchboard-bench callbacks`.
///
/// # Errors
/// When a service does not do its part, or a callback is not answered 200.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let program = switchboard::program()?;
    let folder = host::folder()?;
    let (_vendor, address) = Child::start_own("vendor", own_program(&["sink"])?, folder.path()).await?;
    let postgres = match args.database {
        Engine::Postgres => Some(Postgres::start(folder.path()).await?),
        Engine::Sqlite => None,
    };
    let house = House::build(&program.0, &folder.path().join("house"), &format!("http://{address}")).await?;
    let organizations = switchboard::create(&mut house.admin()?, args.organizations).await?;
    // Nobody but the callbacks is to settle the messages.
    let mut settings = vec![("dispatcher.reconcile_after", "1h")];
    let database_url = match &postgres {
        Some(postgres) => Some(postgres.create("bench").await?),
        None => None,
    };
    settings.extend(database_url.as_deref().map(|url| ("dispatcher.database_url", url)));
    let dispatcher = house.dispatcher("dispatcher", &settings).await?;
    let gateway = house.gateway(&dispatcher, &[]).await?;

    let sent = messages::send(args.messages, organizations, &dispatcher.url, &house.token("sender")?).await?;
    output::note(format_args!("{} messages sent", args.messages));
    let callbacks = events::callbacks(&sent, usize::try_from(args.events)?);
    let services = [("gateway", gateway.pid()), ("dispatcher", dispatcher.pid())];
    let mut groups: Vec<(&str, Group)> =
        services.into_iter().map(|(name, pid)| (name, Group::default().process(pid))).collect();
    groups.push(("config-service", Group::default().process(house.config_service().pid())));
    if let Some(postgres) = &postgres {
        groups.push(("PostgreSQL", Group::default().family(postgres.pid())));
    }
    let costs = || groups.iter().map(|(_, group)| group.cost()).collect::<anyhow::Result<Vec<_>>>();
    let before = costs()?;
    let outcome = flood::run(callbacks, args.in_flight, &format!("{}/webhook/cloudmsg", gateway.url)).await?;
    let after = costs()?;
    messages::check_delivered(&sent, &dispatcher.url, &house.token("sender")?).await.context("afterwards")?;

    let each: Vec<(&str, f64)> = groups
        .iter()
        .zip(before.iter().zip(after))
        .map(|((name, _), (before, after))| (*name, before.per_piece_us(after, u64::from(args.messages))))
        .collect();
    output::line(host::machine(folder.path()))?;
    output::line(format_args!(
        "callbacks: {} events, {} in each callback, {} callbacks in flight, history on {:?}",
        args.messages, args.events, args.in_flight, args.database
    ))?;
    let verdict = |met| if met { "met" } else { "MISSED" };
    let per_s = f64::from(args.messages) / outcome.elapsed.as_secs_f64();
    output::line(format_args!("  {per_s:.0} events/s (goal ≥ {GOAL_PER_S:.0}: {})", verdict(per_s >= GOAL_PER_S)))?;
    let total: f64 = each.iter().map(|(_, cost)| cost).sum();
    let parts: Vec<String> = each.iter().map(|(name, cost)| format!("{name} {cost:.1}")).collect();
    output::line(format_args!(
        "  {total:.1} µs CPU an event in all processes: {} (goal ≤ {GOAL_US:.0}: {})",
        parts.join(", "),
        verdict(total <= GOAL_US)
    ))?;
    output::line(format_args!(
        "  a callback is answered after p50 {:.1} ms, p99 {:.1} ms; {} were told to come again",
        outcome.latencies.percentile_ms(50.0),
        outcome.latencies.percentile_ms(99.0),
        outcome.repeated
    ))?;
    for (name, pid) in services {
        output::line(format_args!("  {name} at most {:.0} MiB", host::peak_rss_mib(pid)?))?;
    }
    Ok(ExitCode::SUCCESS)
}
