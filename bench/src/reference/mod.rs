//! Programs to compare with. None of them authenticates, validates, knows a repeated request, or keeps a timeline.
//!
//! | program | what it does for a send |
//! | --- | --- |
//! | `echo` | answers: what gRPC alone costs |
//! | `naive` | what a good engineer writes by hand: INSERT and commit, POST, UPDATE and commit, over a pool |
//! | `batched` | the floor: one writer that commits whatever waits in one go, and a thin HTTP client |
//! | `batched-usual` | the same with reqwest, and a writer each for what is new and what was accepted |

mod batched;
mod naive;
mod service;
mod vendor;

use clap::Subcommand;

/// A reference program.
#[derive(Subcommand, Clone, Debug)]
pub(crate) enum Program {
    /// Answers, and does nothing else
    Echo,
    /// A pool, INSERT and commit, POST, UPDATE and commit
    Naive(Places),
    /// One writer with dynamic batches, on PostgreSQL or SQLite by the address
    Batched(Places),
    /// Two writers with dynamic batches and reqwest, on PostgreSQL
    BatchedUsual(Places),
}

/// Where its neighbours are.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Places {
    /// postgres://… or sqlite://path
    #[arg(long)]
    database_url: String,
    /// Where the vendor is
    #[arg(long)]
    vendor_url: String,
}

/// Serves until it is killed.
///
/// # Errors
/// When it cannot start.
pub(crate) async fn run(program: Program) -> anyhow::Result<()> {
    match program {
        Program::Echo => service::serve(service::Echo).await,
        Program::Naive(places) => naive::serve(&places).await,
        Program::Batched(places) => batched::serve(&places).await,
        Program::BatchedUsual(places) => batched::serve_usual(&places).await,
    }
}
