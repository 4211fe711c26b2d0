//! The program as people run it, and the workspace as its plan wants it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod apart;
mod arrows;
mod books;
mod callback;
mod chaos;
mod crashes;
mod demo;
mod deployment;
mod flood;
mod installation;
mod leader;
mod load;
mod observability;
mod operator;
mod outages;
mod program;
mod quarantine;
mod roles;
mod rolling;
mod rotation;
mod secured;
mod site;
mod start_errors;
mod tidiness;
mod up;

/// A task of a test, which nobody waits for but the test.
#[expect(clippy::disallowed_methods, reason = "there is no lifecycle here: the test's runtime ends its tasks")]
pub(crate) fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::task::spawn(future)
}
