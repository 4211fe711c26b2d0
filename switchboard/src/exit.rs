//! How the program ends: one sentence and a code, never a stack trace.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use switchboard_providers::UnknownVendor;
use switchboard_runtime::config::ConfigError;

use crate::output::Closed;

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
    if error.chain().any(is_closed_output) {
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(io::stderr(), "error: {}", sentence(error));
    // As the error itself, as what it was put into words with, or as a cause.
    let wrong = error.is::<Usage>()
        || error.is::<ConfigError>()
        || error.chain().any(|cause| cause.is::<ConfigError>() || cause.is::<UnknownVendor>());
    ExitCode::from(if wrong { USAGE } else { FAILED })
}

/// The error and its causes in one line. Many an error says its cause itself, so what was said is not said again.
fn sentence(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().replace(['\n', '\r'], " ");
        if !line.contains(&text) {
            let colon = if line.is_empty() { "" } else { ": " };
            line = format!("{line}{colon}{text}");
        }
    }
    line
}

fn is_closed_output(cause: &(dyn std::error::Error + 'static)) -> bool {
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<Closed>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_output_may_be_closed_without_an_error() {
        let closed = io::Error::new(io::ErrorKind::BrokenPipe, Closed);
        assert_eq!(failed(&anyhow::Error::new(closed).context("a table")), ExitCode::SUCCESS);
        let connection = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(failed(&anyhow::Error::new(connection)), ExitCode::from(FAILED));
    }

    #[test]
    fn an_error_is_one_line_that_says_each_cause_once() {
        let cause = anyhow::anyhow!("no such file").context("cannot read tokens: no such file");
        assert_eq!(sentence(&cause.context("no\ntoken")), "no token: cannot read tokens: no such file");
    }
}
