//! A snapshot of many organisations to a new subscriber: to one that keeps nothing, and to a real dispatcher.

use tokio::time::Instant;

use super::{Args, Place, figure, subscriber::Subscriber};
use crate::{
    host, output,
    stats::{median, millis},
    switchboard,
};

const GOAL_MS: f64 = 2_000.0;
const GOAL_MIB: f64 = 300.0;
const RUNS: u32 = 3;

pub(super) async fn run(args: &Args, place: &Place) -> anyhow::Result<()> {
    let house = place.house("snapshot").await?;
    switchboard::create_many(args.organizations, &house).await?;

    let mut streamed = Vec::new();
    for run in 1..=RUNS {
        let begun = Instant::now();
        let mut subscriber = Subscriber::open(&house, &format!("subscriber-{run}")).await?;
        let (entries, accounts) = subscriber.snapshot().await?;
        streamed.push(millis(begun.elapsed()));
        let expected = usize::try_from(args.organizations)?;
        anyhow::ensure!(entries > expected && accounts > expected, "{entries} entries with {accounts} accounts came");
    }
    output::line(format_args!("snapshot: {} organisations, each with an account", args.organizations))?;
    figure("  streamed to a subscriber, median", median(streamed), "ms", GOAL_MS)?;

    let begun = Instant::now();
    let dispatcher = house.dispatcher("dispatcher-new", &[]).await?;
    figure("  started → ready, a new dispatcher", millis(begun.elapsed()), "ms", GOAL_MS)?;
    figure("  config-service at most", host::peak_rss_mib(house.config_service().pid())?, "MiB", GOAL_MIB)?;
    figure("  the dispatcher at most", host::peak_rss_mib(dispatcher.pid())?, "MiB", GOAL_MIB)?;
    output::line(format_args!("  the dispatcher afterwards: {:.0} MiB", host::rss_mib(dispatcher.pid())?))?;
    Ok(())
}
