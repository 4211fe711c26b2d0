//! How the program ends: one sentence and a code, never a stack trace.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use switchboard_providers::UnknownVendor;
use switchboard_runtime::config::ConfigError;

/// Something was typed wrongly, in a way that only shows while it is carried out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

impl Usage {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Says what clap has to say: help and version are no errors.
pub(crate) fn explained(error: &clap::Error) -> ExitCode {
    // Nobody is left to be told when standard error is closed.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// Says in one line why it failed.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(is_closed_pipe) {
        // Whoever read our output has seen enough.
        return ExitCode::SUCCESS;
    }
    let sentence = format!("{error:#}").replace(['\n', '\r'], " ");
    let _ = writeln!(io::stderr(), "error: {sentence}");
    let wrong = error.is::<Usage>()
        || error.chain().any(|cause| cause.is::<ConfigError>() || cause.is::<UnknownVendor>());
    ExitCode::from(if wrong { USAGE } else { FAILED })
}

fn is_closed_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
