//! `switchboard migrate`.

use anyhow::Context as _;
use switchboard_runtime::lifecycle::Lifecycle;

use crate::{cli::Database, output, services::prepare, settings::Settings};

/// Brings both databases to this version.
///
/// # Errors
/// When a database cannot be reached, or a migration was edited after it had been applied.
pub async fn run(settings: &Settings, which: Option<Database>) -> anyhow::Result<()> {
    prepare(settings)?;
    let process = settings.process(&Lifecycle::new());
    if which != Some(Database::Dispatcher) {
        switchboard_config_service::migrate(&settings.config_service, &settings.data_dir)
            .await
            .context("the database of config-service")?;
        output::line("config-service: up to date")?;
    }
    if which != Some(Database::ConfigService) {
        let dispatcher = &settings.dispatcher;
        switchboard_dispatcher::migrate(dispatcher, &process).await.context("the database of the dispatcher")?;
        output::line("dispatcher: up to date")?;
    }
    Ok(())
}
