//! How configuration reaches dispatchers: changes until they are applied, snapshots, fan-out.

mod applied;
mod changes;
mod fan_out;
mod snapshot;
mod subscriber;

use std::{fmt, process::ExitCode};

use anyhow::Context as _;
use clap::ValueEnum;
use tempfile::TempDir;

use crate::{
    host::{self, Child, own_program},
    output,
    switchboard::{self, House, Switchboard},
};

/// Flags.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Part::ALL)]
    parts: Vec<Part>,
    /// Dispatchers that apply each change
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    dispatchers: u32,
    /// Changes to measure
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    changes: u32,
    /// Organisations of the snapshot, each with credentials of its own
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    organizations: u32,
    /// Subscribers that each change is fanned out to, each on a connection of its own
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    subscribers: u32,
    /// Changes that are fanned out
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    fan_out_changes: u32,
}

/// Something to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// A change until every dispatcher has applied it
    Applied,
    /// A snapshot to a new subscriber
    Snapshot,
    /// A change to many subscribers
    FanOut,
}

impl Part {
    const ALL: [Self; 3] = [Self::Applied, Self::FanOut, Self::Snapshot];
}

/// What the parts have in common.
struct Place {
    // Processes end before the folder goes.
    _vendor: Child,
    vendor_url: String,
    program: Switchboard,
    folder: TempDir,
}

impl Place {
    /// A config-service without anything in it.
    async fn house(&self, name: &str) -> anyhow::Result<House> {
        House::build(&self.program.0, &self.folder.path().join(name), &self.vendor_url).await
    }
}

/// `switchboard-bench watch`.
///
/// # Errors
/// When a service does not do its part.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let program = switchboard::program()?;
    let folder = host::folder()?;
    let (vendor, address) = Child::start_own("vendor", own_program(&["sink"])?, folder.path()).await?;
    let place = Place { _vendor: vendor, vendor_url: format!("http://{address}"), program, folder };
    output::line(format_args!("{}", host::machine(place.folder.path())))?;
    for part in &args.parts {
        match part {
            Part::Applied => applied::run(args, &place).await.context("changes")?,
            Part::Snapshot => snapshot::run(args, &place).await.context("snapshot")?,
            Part::FanOut => fan_out::run(args, &place).await.context("fan-out")?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a figure beside its goal.
fn figure(what: impl fmt::Display, value: f64, unit: &str, goal: f64) -> std::io::Result<()> {
    let met = if value < goal { "met" } else { "MISSED" };
    output::line(format_args!("{what}: {value:.1} {unit} (goal < {goal:.0} {unit}: {met})"))
}
