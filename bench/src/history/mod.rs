//! Sends and pages over a history of many millions of messages, beside an empty one on the same server.

mod fill;
mod pages;

use std::process::ExitCode;

use crate::{
    host::{self, Child, own_program},
    load::{self, Shape, Traffic},
    output,
    postgres::Postgres,
    stats::median,
    switchboard::{self, House},
};

const GOAL_RATIO: f64 = 0.9;
const GOAL_PAGE_MS: f64 = 5.0;

/// Flags.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// Messages of the full history; a million takes some 2 GiB
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// Runs over each history, in turn; the medians count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Pages that are listed
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    pages: u32,
    /// Organisations that the messages are of
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    organizations: u32,
    #[command(flatten)]
    shape: Shape,
}

/// `switchboard-bench history`.
///
/// # Errors
/// When a service does not do its part.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let program = switchboard::program()?;
    let folder = host::folder()?;
    let (_vendor, address) = Child::start_own("vendor", own_program(&["sink"])?, folder.path()).await?;
    let postgres = Postgres::start(folder.path()).await?;
    let house = House::build(&program.0, &folder.path().join("house"), &format!("http://{address}")).await?;
    let organizations = switchboard::create(&mut house.admin()?, args.organizations).await?;

    let full = postgres.create("with_past").await?;
    fill::template(&house, &full, &organizations[0]).await?;
    fill::fill(&full, args.rows, &organizations).await?;
    postgres.checkpoint().await?;

    // A history that is in use has what it uses in memory.
    sends(&house, &full, &organizations, args).await?;
    fill::settle(&full).await?;
    postgres.checkpoint().await?;

    let mut rounds = Vec::new();
    for run in 1..=args.runs {
        let empty = postgres.create("without_past").await?;
        let without = sends(&house, &empty, &organizations, args).await?;
        postgres.discard("without_past").await?;
        let with = sends(&house, &full, &organizations, args).await?;
        fill::settle(&full).await?;
        postgres.checkpoint().await?;
        output::note(format_args!(
            "run {run}/{}: {without:.0} sends/s without and {with:.0} with a history",
            args.runs
        ));
        rounds.push((without, with));
    }
    let dispatcher = house.dispatcher("dispatcher", &[("dispatcher.database_url", full.as_str())]).await?;
    let pages = pages::list(&dispatcher.url, &house.token("sender")?, &organizations, args.pages).await?;

    let verdict = |met| if met { "met" } else { "MISSED" };
    let without = median(rounds.iter().map(|(without, _)| *without));
    let with = median(rounds.iter().map(|(_, with)| *with));
    // Of each round, since the machine is not the same one from minute to minute.
    let ratio = median(rounds.iter().map(|(without, with)| with / without));
    output::line(host::machine(folder.path()))?;
    output::line(format_args!(
        "{} messages in the history: {with:.0} sends/s, and {without:.0} over an empty one; the median of the rounds' \
         ratios is {ratio:.2} (goal ≥ {GOAL_RATIO}: {})",
        args.rows,
        verdict(ratio >= GOAL_RATIO)
    ))?;
    for (what, latencies) in pages {
        let p99 = latencies.percentile_ms(99.0);
        output::line(format_args!(
            "  pages of 50, {what}: p50 {:.2} ms, p99 {p99:.2} ms (goal ≤ {GOAL_PAGE_MS:.0}: {})",
            latencies.percentile_ms(50.0),
            verdict(p99 <= GOAL_PAGE_MS)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends a second, through a dispatcher that has just been started.
async fn sends(house: &House, database_url: &str, organizations: &[String], args: &Args) -> anyhow::Result<f64> {
    let dispatcher = house.dispatcher("dispatcher", &[("dispatcher.database_url", database_url)]).await?;
    let clients = load::clients(&dispatcher.url, &house.token("sender")?, args.shape.connections)?;
    let traffic = Traffic::new(organizations.to_vec(), args.shape.long_percent);
    let outcome = load::generate(&args.shape, clients, traffic, |_| Ok(())).await?;
    if let Some(why) = &outcome.first_failure {
        output::note(format_args!("warning: {} sends failed, the first with: {why}", outcome.failures));
    }
    Ok(outcome.sends_per_s)
}
