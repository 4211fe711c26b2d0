//! `switchboard migrate`.

use anyhow::Context as _;
use switchboard_runtime::lifecycle::Lifecycle;

use crate::{output, services::prepare, settings::Settings};

/// Brings both databases to this version.
///
/// # Errors
/// When a database cannot be reached, or was migrated by a newer version.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    prepare(settings)?;
    let process = settings.process(&Lifecycle::new());
    switchboard_config_service::migrate(&settings.config_service, &settings.data_dir)
        .await
        .context("the database of config-service")?;
    output::line("config-service: up to date")?;
    switchboard_dispatcher::migrate(&settings.dispatcher, &process).await.context("the database of the dispatcher")?;
    output::line("dispatcher: up to date")?;
    Ok(())
}
