//! The load generator: so many sends in flight at all times, each begun when one has ended (closed loop).

mod client;
mod texts;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use serde::Serialize;
use switchboard_proto::dispatch::v1::{Message, MessageStatus};
use switchboard_runtime::{auth::TokenFile, error::describe};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{output, stats::Latencies};
pub(crate) use client::{Messages, clients};
pub(crate) use texts::Traffic;

/// Flags of the `load` command.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// Address of the dispatcher
    #[arg(long, default_value = "http://127.0.0.1:7001")]
    url: String,
    /// File with the token to show, entry `sender`
    #[arg(long, default_value = ".switchboard/tokens.json")]
    tokens_file: PathBuf,
    /// Organisations to send for, in turn
    #[arg(long, value_delimiter = ',', default_value = "default")]
    organizations: Vec<String>,
    #[command(flatten)]
    shape: Shape,
}

/// How much load, and for how long.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Shape {
    /// Sends under way at any time
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: u32,
    /// HTTP/2 connections that they share
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// How long to measure
    #[arg(long, default_value = "4s")]
    pub(crate) duration: humantime::Duration,
    /// How long to send before that
    #[arg(long, default_value = "1s")]
    pub(crate) warm_up: humantime::Duration,
    /// Of a hundred messages so many are long (LMS)
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) long_percent: u32,
}

/// What a run came to.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Outcome {
    /// Sends that succeeded while it was measured.
    pub(crate) sends: u64,
    /// Sends that did not.
    pub(crate) failures: u64,
    /// Why the first of these did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_failure: Option<String>,
    /// Sends a second.
    pub(crate) sends_per_s: f64,
    /// Latency in milliseconds.
    pub(crate) p50_ms: f64,
    /// Latency in milliseconds.
    pub(crate) p90_ms: f64,
    /// Latency in milliseconds.
    pub(crate) p99_ms: f64,
    /// Latency in milliseconds.
    pub(crate) max_ms: f64,
}

/// `switchboard-bench load`.
pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let token = TokenFile::read(&args.tokens_file)?.token_of("sender")?;
    let clients = clients(&args.url, &token, args.shape.connections)?;
    let traffic = Traffic::new(args.organizations.clone(), args.shape.long_percent);
    let outcome = generate(&args.shape, clients, traffic, |_| Ok(())).await?;
    output::line(serde_json::to_string(&outcome)?)?;
    Ok(())
}

/// The edges of what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The warm-up is over.
    Begin,
    /// Nothing counts any more; sends are still under way.
    End,
}

const WARM_UP: u8 = 0;
const MEASURE: u8 = 1;
const STOP: u8 = 2;

/// Generates load. `at` is called at both edges of what is measured.
///
/// # Errors
/// When not a single send succeeded, and what `at` returns.
pub(crate) async fn generate(
    shape: &Shape,
    clients: Vec<Messages>,
    traffic: Traffic,
    mut at: impl FnMut(Edge) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let phase = Arc::new(AtomicU8::new(WARM_UP));
    let traffic = Arc::new(traffic);
    let mut senders = JoinSet::new();
    for (index, client) in (0..shape.in_flight).zip(clients.into_iter().cycle()) {
        senders.spawn(send_until_stopped(index, client, Arc::clone(&traffic), Arc::clone(&phase)));
    }
    sleep(*shape.warm_up).await;
    at(Edge::Begin)?;
    let begin = Instant::now();
    phase.store(MEASURE, Ordering::Relaxed);
    sleep(*shape.duration).await;
    phase.store(STOP, Ordering::Relaxed);
    let elapsed = begin.elapsed();
    at(Edge::End)?;

    let mut all = Tally::new()?;
    while let Some(tally) = senders.join_next().await {
        all.add(tally??)?;
    }
    all.outcome(elapsed)
}

async fn send_until_stopped(
    sender: u32,
    mut client: Messages,
    traffic: Arc<Traffic>,
    phase: Arc<AtomicU8>,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::new()?;
    for count in 0_u32.. {
        let request = traffic.request(sender, count);
        let begun = Instant::now();
        let sent = client.send_sms(request).await;
        match phase.load(Ordering::Relaxed) {
            STOP => break,
            MEASURE => tally.record(begun.elapsed(), sent.map(|reply| reply.into_inner().message)),
            _ => {
                if let Err(status) = sent {
                    // Fail slowly, or a server that refuses everything is asked a million times.
                    tally.first_failure.get_or_insert_with(|| describe(&status));
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }
    Ok(tally)
}

struct Tally {
    latencies: Latencies,
    failures: u64,
    first_failure: Option<String>,
}

impl Tally {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { latencies: Latencies::new()?, failures: 0, first_failure: None })
    }

    fn record(&mut self, latency: Duration, sent: Result<Option<Message>, tonic::Status>) {
        let why = match sent {
            Ok(Some(message)) if message.status() == MessageStatus::Failed => {
                let failure = message.failure.unwrap_or_default();
                format!("FAILED: {} {} {}", failure.code, failure.provider_code, failure.detail)
            }
            Ok(Some(_)) => return self.latencies.record(latency),
            Ok(None) => "a reply without a message".to_owned(),
            Err(status) => describe(&status),
        };
        self.failures += 1;
        self.first_failure.get_or_insert(why);
    }

    fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.latencies.add(&other.latencies)?;
        self.failures += other.failures;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        Ok(())
    }

    fn outcome(self, elapsed: Duration) -> anyhow::Result<Outcome> {
        let sends = self.latencies.count();
        if sends == 0 {
            let why = self.first_failure.as_deref().unwrap_or("none was answered in time");
            return Err(anyhow::anyhow!("{why}")).context("no send succeeded");
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
        let sends_per_s = sends as f64 / elapsed.as_secs_f64();
        Ok(Outcome {
            sends,
            failures: self.failures,
            first_failure: self.first_failure,
            sends_per_s,
            p50_ms: self.latencies.percentile_ms(50.0),
            p90_ms: self.latencies.percentile_ms(90.0),
            p99_ms: self.latencies.percentile_ms(99.0),
            max_ms: self.latencies.max_ms(),
        })
    }
}
