//! A change until every dispatcher has applied it: from the admin's call, so the commit is in it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Args, Place, changes::Changes, figure};
use crate::{
    output,
    stats::Latencies,
    switchboard::{self, organization_id},
};

const GOAL_MS: f64 = 10.0;
const PATIENCE: Duration = Duration::from_secs(10);
/// Changes before anything is measured.
const WARM_UP: u32 = 20;

pub(super) async fn run(args: &Args, place: &Place) -> anyhow::Result<()> {
    let house = place.house("applied").await?;
    let mut admin = house.admin()?;
    switchboard::create(&mut admin, 1).await?;
    let mut dispatchers = Vec::new();
    for number in 1..=args.dispatchers {
        dispatchers.push(house.dispatcher(&format!("dispatcher-{number}"), &[]).await?);
    }
    let mut changes = Changes::new(admin, &organization_id(1));
    for _ in 0..WARM_UP {
        changes.next(Some(PATIENCE)).await?;
    }
    // In turn, so that both see the same machine. An applied change precedes each, so that none waits behind another.
    let (mut applied, mut committed) = (Latencies::new()?, Latencies::new()?);
    for _ in 0..args.changes {
        for (latencies, wait) in [(&mut applied, Some(PATIENCE)), (&mut committed, None)] {
            let begun = Instant::now();
            changes.next(wait).await?;
            latencies.record(begun.elapsed());
        }
    }
    let count = args.dispatchers;
    output::line(format_args!(
        "change: committed, seen by its caller: p50 {:.1} ms, p99 {:.1} ms",
        committed.percentile_ms(50.0),
        committed.percentile_ms(99.0)
    ))?;
    output::line(format_args!(
        "change: called → committed → applied by {count} dispatchers → answered: p50 {:.1} ms",
        applied.percentile_ms(50.0)
    ))?;
    figure("  the same, p99", applied.percentile_ms(99.0), "ms", GOAL_MS)?;
    Ok(())
}
