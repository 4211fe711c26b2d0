//! Every design in turn on the same machine, interleaved over the runs so that no one of them has the quiet minutes.

mod arena;
mod design;
mod figures;
mod ratios;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;

use crate::{host, load, output};
use arena::Arena;
use design::Design;
use figures::{Figures, Results};

/// Flags.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// Sends under way at any time
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) in_flight: u32,
    /// How long each run is measured
    #[arg(long, default_value = "4s")]
    pub(crate) duration: humantime::Duration,
    /// How long each run sends before that
    #[arg(long, default_value = "1s")]
    pub(crate) warm_up: humantime::Duration,
    /// Runs of every design; the medians count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// How long the vendor takes for a send
    #[arg(long, default_value = "0ms")]
    pub(crate) vendor_latency: humantime::Duration,
    /// The designs to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Design::ALL)]
    pub(crate) designs: Vec<Design>,
    /// HTTP/2 connections of the load generator
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Organisations that the sends are for, each with an account of its own
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) organizations: u32,
    /// Of a hundred messages so many are long (LMS)
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) long_percent: u32,
    /// One JSON object on standard output, nothing else
    #[arg(long)]
    pub(crate) json: bool,
    /// Fail when a ratio is below 0.9 of the one kept in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) check: Option<PathBuf>,
    /// Keep the ratios in this file
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub(crate) keep: Option<PathBuf>,
}

impl Args {
    fn shape(&self) -> load::Shape {
        load::Shape {
            in_flight: self.in_flight,
            connections: self.connections,
            duration: self.duration,
            warm_up: self.warm_up,
            long_percent: self.long_percent,
        }
    }
}

/// `switchboard-bench compare`.
///
/// # Errors
/// When a design does not run at all.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let arena = Arena::open(args).await?;
    let mut results = Results::default();
    for run in 1..=args.runs {
        for design in &args.designs {
            if results.is_skipped(*design) {
                continue;
            }
            let name = design.name();
            match arena.measure(*design, args).await.with_context(|| format!("design {name}"))? {
                Ok(figures) => {
                    output::note(format_args!("run {run}/{} {name}: {figures}", args.runs));
                    results.add(*design, figures);
                }
                Err(why) => {
                    output::note(format_args!("note: {name} is not measured: {why}"));
                    results.skip(*design, why);
                }
            }
        }
    }
    let machine = host::machine(arena.folder());
    drop(arena);
    if args.json {
        output::line(results.json()?)?;
    } else {
        output::line(results.table())?;
        let latency = args.vendor_latency;
        output::line(format_args!(
            "{} in flight, vendor latency {latency}, medians of {} runs of {}; load generator, vendor sink, server and \
             database on one machine: {machine}",
            args.in_flight, args.runs, args.duration
        ))?;
    }
    ratios::settle(&results, args.check.as_deref(), args.keep.as_deref())
}
