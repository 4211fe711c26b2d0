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

use switchboard_runtime::lifecycle::{Lifecycle, Signals};

use crate::{
    services::{prepare, trace, until_signal},
    settings::{Flags, Settings},
};

/// Runs everything until a signal.
///
/// # Errors
/// Why it could not start, or what has failed.
pub async fn run(flags: &Flags) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    // The banner is what people should see; who wants the log sets log.filter.
    let settings = Settings::load(flags, &[("log.filter", "warn")])?;
    prepare(&settings)?;
    let lifecycle = Lifecycle::new();
    trace(&settings, "switchboard", &lifecycle)?;
    let started = until_signal(signals, &lifecycle, begin(settings, &lifecycle)).await?;
    if let Some(stack) = started {
        stack.vendors.shutdown().await;
    }
    Ok(())
}

async fn begin(settings: Settings, lifecycle: &Lifecycle) -> anyhow::Result<Stack> {
    let stack = Stack::start(settings, lifecycle).await?;
    seed(&stack).await?;
    banner::print(&stack)?;
    Ok(stack)
}
