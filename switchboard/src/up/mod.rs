//! Everything in one process: the three services, the simulated vendors, demo organisations.
//!
//! The services still meet over loopback sockets and show each other tokens, exactly as they do apart: what works here
//! works there.

mod banner;
pub(crate) mod organizations;
mod seed;
mod stack;

pub(crate) use seed::seed;
pub(crate) use stack::Stack;

use switchboard_runtime::lifecycle::Lifecycle;

use crate::{
    services::prepare,
    settings::{Flags, Settings},
};

/// Runs everything until a signal.
///
/// # Errors
/// Why it could not start, or what has failed.
pub async fn run(flags: &Flags) -> anyhow::Result<()> {
    // The banner is what people should see; who wants the log sets log.filter.
    let settings = Settings::load(flags, &[("log.filter", "warn")])?;
    prepare(&settings)?;
    let lifecycle = Lifecycle::new();
    let stack = Stack::start(settings, &lifecycle).await?;
    let ready = async {
        seed(&stack).await?;
        banner::print(&stack)
    };
    let ended = tokio::select! {
        prepared = ready => match prepared {
            Ok(()) => lifecycle.run_until_signal().await,
            Err(error) => {
                lifecycle.stop_now();
                Err(error)
            }
        },
        // A signal, or a service that has died, before everything is ready.
        ended = lifecycle.run_until_signal() => ended,
    };
    stack.vendors.shutdown().await;
    ended
}
