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

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;

use crate::cli::Cli;

/// Does what the command line says.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return exit::explained(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::failed(&anyhow::Error::new(error).context("no threads can be started")),
    };
    match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::failed(&error),
    }
}
