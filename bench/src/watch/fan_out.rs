//! One change to many subscribers: from the admin's call until each of them has it, so the commit is in it.

use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{Args, Place, changes::Changes, figure, subscriber::Subscriber};
use crate::{
    host, output,
    stats::{Latencies, millis},
    switchboard::{self, organization_id},
};

const GOAL_MS: f64 = 100.0;
const PATIENCE: Duration = Duration::from_secs(30);
/// Subscribers that connect at the same time.
const AT_ONCE: usize = 32;
/// Changes before anything is measured.
const WARM_UP: u32 = 5;

pub(super) async fn run(args: &Args, place: &Place) -> anyhow::Result<()> {
    host::enough_files(u64::from(args.subscribers) * 2 + 256)?;
    let house = place.house("fan-out").await?;
    let mut admin = house.admin()?;
    switchboard::create(&mut admin, 8).await?;

    let begun = Instant::now();
    let subscribers: Vec<Subscriber> = stream::iter(0..args.subscribers)
        .map(|number| {
            let house = &house;
            async move {
                let mut subscriber = Subscriber::open(house, &format!("subscriber-{number}")).await?;
                subscriber.snapshot().await?;
                anyhow::Ok(subscriber)
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let connected = millis(begun.elapsed());

    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for mut subscriber in subscribers {
        let arrived = arrived.clone();
        tasks.spawn(async move {
            while let Ok(revision) = subscriber.change().await {
                if arrived.send((revision, Instant::now())).is_err() {
                    break;
                }
            }
        });
    }
    drop(arrived);

    let mut changes = Changes::new(admin, &organization_id(1));
    let (mut each, mut last) = (Latencies::new()?, Latencies::new()?);
    for count in 0..WARM_UP + args.fan_out_changes {
        let begun = Instant::now();
        let revision = changes.next(None).await?;
        let mut slowest = Duration::ZERO;
        for _ in 0..args.subscribers {
            let arrival = timeout(PATIENCE, arrivals.recv()).await.context("a subscriber was left out")?;
            let (seen, at) = arrival.context("every subscriber was dropped")?;
            anyhow::ensure!(seen == revision, "revision {seen} came where {revision} was due");
            let latency = at - begun;
            slowest = slowest.max(latency);
            if count >= WARM_UP {
                each.record(latency);
            }
        }
        if count >= WARM_UP {
            last.record(slowest);
        }
    }
    let subscribers = args.subscribers;
    output::line(format_args!("fan-out: {subscribers} subscribers connected and in step after {connected:.0} ms"))?;
    output::line(format_args!(
        "fan-out: called → received by each: p50 {:.1} ms; by the last of them: p50 {:.1} ms, p99 {:.1} ms",
        each.percentile_ms(50.0),
        last.percentile_ms(50.0),
        last.percentile_ms(99.0)
    ))?;
    figure("  called → received by each, p99", each.percentile_ms(99.0), "ms", GOAL_MS)?;
    let pid = house.config_service().pid();
    output::line(format_args!("  config-service at most {:.0} MiB", host::peak_rss_mib(pid)?))?;
    Ok(())
}
