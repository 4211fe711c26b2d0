//! Measures Switchboard beside small reference programs on the same machine, in the same run.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`compare`] | sends: every design in turn, side by side |
//! | [`watch`] | configuration changes and snapshots on their way to dispatchers |
//! | [`callbacks`] | vendors' callbacks through gateway and dispatcher |
//! | [`history`] | sends and pages over many millions of messages |
//! | [`load`] | the load generator |
//! | [`reference`] | the programs to compare with |
//! | [`sink`] | a vendor that costs next to nothing |
//! | [`switchboard`] | the real services as child processes |
//! | [`postgres`] | a throw-away PostgreSQL |
//! | [`host`] | child processes and what they cost |
//!
//! Everything that is measured runs in a process of its own; this process generates the load and reads `/proc`.

mod callbacks;
mod cli;
mod compare;
mod history;
mod host;
mod load;
mod output;
mod postgres;
mod reference;
mod sink;
mod stats;
mod switchboard;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    switchboard_runtime::tls::install_crypto();
    match until_signal(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            output::note(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whatever ends it, child processes and temporary folders go with their owners.
async fn until_signal(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        ended = cli.run() => ended,
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}
