//! The one program: every service, the simulated vendors, the demo, and the operator's command line.
//!
//! - [`cli`]: what can be typed
//! - [`settings`]: what can be set
//! - [`services`]: one service in this process
//! - [`up`]: all of them in this process, still meeting over real sockets with real tokens
//! - [`demo`]: the main job once, shown
//! - [`client`], [`commands`], [`output`]: the command line of operators, a gRPC client like any other
//!
//! Exit codes: 0 done, 1 failed, 2 typed or set wrongly.

mod cli;
mod client;
mod commands;
mod demo;
mod exit;
mod output;
mod services;
mod settings;
mod up;

use std::{env, ffi::OsString, io, num::NonZeroUsize, process::ExitCode, thread};

use clap::Parser as _;
use tokio::runtime::{Builder, Runtime};

use crate::cli::{Cli, Command};

/// How many threads run tasks, in tokio's own words; unset, it is for us to say.
const WORKER_THREADS: &str = "TOKIO_WORKER_THREADS";

/// Does what the command line says.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return exit::explained(&error),
    };
    let runtime = match runtime(&cli) {
        Ok(runtime) => runtime,
        Err(error) => return exit::failed(&anyhow::Error::new(error).context("no threads can be started")),
    };
    match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::failed(&error),
    }
}

/// A dispatcher takes half of the processors. The other half is at work for it elsewhere, in the kernel and in the history's
/// database, and what it hands from task to task then rarely has to wake another thread: a fifth of its CPU on a small
/// machine.
fn runtime(cli: &Cli) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if matches!(cli.command, Some(Command::Dispatcher)) && env::var_os(WORKER_THREADS).is_none() {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        builder.worker_threads(processors.div_ceil(2));
    }
    builder.enable_all().build()
}
