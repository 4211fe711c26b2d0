//! The main job, once, shown: every kind of message for three organisations, a switch of vendors between two sends, and
//! a failure with its reason.
//!
//! It uses no settings: free ports, a temporary folder, simulated vendors. It ends with 0 only if every message reached
//! the state it was meant to reach, through a callback that the gateway has verified.

mod follow;
mod scenes;
mod send;

use std::time::Duration;

use anyhow::Context as _;
use switchboard_runtime::{
    config::{Listen, LogConfig},
    lifecycle::Lifecycle,
};
use tokio::time::timeout;

use crate::{
    output::{line, table},
    services::prepare,
    settings::{Flags, Settings},
    up::{Stack, seed},
};

const LEGEND: &str = "\
Each message is shown with its timeline, as it grows:
  RECORDED  committed to the history; only now is the vendor called
  ACCEPTED  the vendor has it
  REPORTED  the vendor said more in a callback, whose signature the gateway has verified";

/// How long the whole of it may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Shows it.
///
/// # Errors
/// What did not go as it should.
pub async fn run(_: &Flags) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let settings = on_free_ports(folder.path().to_owned());
    prepare(&settings)?;
    let lifecycle = Lifecycle::new();
    let shown = tokio::select! {
        shown = timeout(PATIENCE, show(settings, &lifecycle)) => match shown {
            Ok(shown) => shown,
            Err(_) => Err(anyhow::anyhow!("the demo did not end within {PATIENCE:?}")),
        },
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    lifecycle.shutdown().await?;
    shown
}

fn on_free_ports(data_dir: std::path::PathBuf) -> Settings {
    let mut settings = Settings {
        data_dir,
        log: LogConfig { filter: "error".to_owned(), ..LogConfig::default() },
        ..Settings::default()
    };
    let free = Listen::local(0);
    settings.dispatcher.listen = free;
    settings.dispatcher.metrics_listen = free;
    settings.config_service.listen = free;
    settings.config_service.metrics_listen = free;
    settings.webhook_gateway.listen = free;
    settings.webhook_gateway.metrics_listen = free;
    settings.vendor_sim.cloudmsg_listen = free.address();
    settings.vendor_sim.sendtalk_listen = free.address();
    settings
}

async fn show(settings: Settings, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let stack = Stack::start(settings, lifecycle).await?;
    seed(&stack).await?;
    line("Everything runs in this process; the two vendors are simulated, so nothing leaves this machine.")?;
    line(format_args!(
        "dispatcher {}  config-service {}  webhook gateway {}  CloudMsg {}  SendTalk {}",
        stack.dispatcher.address,
        stack.config_service.address,
        stack.gateway.address,
        stack.vendors.cloudmsg_url(),
        stack.vendors.sendtalk_url(),
    ))?;
    line(LEGEND)?;
    let results = scenes::play(&stack).await?;
    stack.vendors.shutdown().await;

    line("\nSummary\n")?;
    let rows = results.iter().map(|result| {
        let verdict = match &result.complaint {
            None => "as expected".to_owned(),
            Some(complaint) => complaint.clone(),
        };
        [
            result.organization.to_owned(),
            result.kind.to_owned(),
            result.provider.clone(),
            result.status.to_owned(),
            format!("{} ms", result.took.as_millis()),
            verdict,
        ]
    });
    table(["organisation", "kind", "vendor", "status", "until its result", ""], rows.collect(), "")?;
    let wrong = results.iter().filter(|result| result.complaint.is_some()).count();
    if wrong > 0 {
        anyhow::bail!("{wrong} of {} messages did not end as expected", results.len());
    }
    line(format_args!(
        "\nAll {} messages ended as expected: each was committed to the history before its vendor was called, and each\n\
         result came back as a signed callback that the gateway verified. No caller named a vendor.",
        results.len()
    ))?;
    Ok(())
}
