//! What can be typed.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{callbacks, compare, history, load, reference, sink, watch};

/// Measures Switchboard beside reference programs on this machine
#[derive(Parser, Debug)]
#[command(name = "switchboard-bench", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Sends through every design in turn and prints the table side by side
    Compare(compare::Args),
    /// Measures how configuration reaches dispatchers: changes, snapshots, fan-out
    Watch(watch::Args),
    /// Measures verified callbacks through gateway and dispatcher
    Callbacks(callbacks::Args),
    /// Measures sends and pages over a history of many millions of messages
    History(history::Args),
    /// Sends SMS to a dispatcher that is running already and prints percentiles as JSON
    Load(load::Args),
    /// Runs a vendor that accepts every message
    Sink(sink::Args),
    /// Runs a reference program
    #[command(subcommand)]
    Reference(reference::Program),
}

impl Cli {
    /// Does it.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Compare(args) => compare::run(&args).await,
            Command::Watch(args) => watch::run(&args).await,
            Command::Callbacks(args) => callbacks::run(&args).await,
            Command::History(args) => history::run(&args).await,
            Command::Load(args) => load::run(&args).await.map(|()| ExitCode::SUCCESS),
            Command::Sink(args) => sink::run(&args).await.map(|()| ExitCode::SUCCESS),
            Command::Reference(program) => reference::run(program).await.map(|()| ExitCode::SUCCESS),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn compare_has_the_documented_defaults() {
        let Command::Compare(args) = Cli::try_parse_from(["switchboard-bench", "compare"]).unwrap().command else {
            panic!("another command");
        };
        assert_eq!((args.in_flight, args.runs, args.json), (128, 3, false));
        assert_eq!(args.duration.to_string(), "4s");
        assert_eq!(args.vendor_latency.to_string(), "0s");
    }
}
