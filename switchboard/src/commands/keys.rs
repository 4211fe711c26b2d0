//! `switchboard keys`.

use std::path::PathBuf;

use switchboard_config_service::sealing::{KeyRing, Rotation};
use switchboard_dispatcher::SnapshotKey;
use switchboard_runtime::{Clock as _, SystemClock, lifecycle::Lifecycle};

use crate::{
    output::{self, Format},
    services::prepare,
    settings::Settings,
};

/// Who rotates, in the audit trail: whoever may read the key ring file.
const ACTOR: &str = "switchboard keys rotate";

/// Makes a key ring, unless there is one.
///
/// # Errors
/// When it cannot be written.
pub fn generate(settings: &Settings, file: Option<PathBuf>, format: Format) -> anyhow::Result<()> {
    let usual = || settings.config_service.key_file(&settings.data_dir);
    let file = file.unwrap_or_else(usual);
    let made = KeyRing::generate(&file, SystemClock.now())?;
    if format == Format::Json {
        return Ok(output::line(serde_json::json!({ "file": file, "made": made }))?);
    }
    let what = if made { "made" } else { "kept the one there is" };
    output::line(format_args!("key ring {}: {what}; back it up apart from the database", file.display()))?;
    Ok(())
}

/// Makes the key that seals what dispatchers keep, unless there is one.
///
/// # Errors
/// When it cannot be written.
pub fn snapshot(settings: &Settings, file: Option<PathBuf>, format: Format) -> anyhow::Result<()> {
    let usual = || settings.dispatcher.snapshot_key_file(&settings.data_dir);
    let file = file.unwrap_or_else(usual);
    let made = SnapshotKey::generate(&file)?;
    if format == Format::Json {
        return Ok(output::line(serde_json::json!({ "file": file, "made": made }))?);
    }
    let what = if made { "made" } else { "kept the one there is" };
    output::line(format_args!(
        "snapshot key {}: {what}; every dispatcher that shares a Redis needs it",
        file.display()
    ))?;
    Ok(())
}

/// Adds a key and re-wraps every record.
///
/// # Errors
/// When the key ring or the database cannot be used; running it again goes on where it stopped.
pub async fn rotate(settings: &Settings, format: Format) -> anyhow::Result<()> {
    prepare(settings)?;
    let process = settings.process(&Lifecycle::new());
    let rotation = switchboard_config_service::rotate_keys(&settings.config_service, &process, ACTOR).await?;
    if format == Format::Json {
        let Rotation { current, rewrapped, resumed } = rotation;
        let told = serde_json::json!({ "current": current, "rewrapped": rewrapped, "resumed": resumed });
        return Ok(output::line(told)?);
    }
    let resumed = if rotation.resumed { ", finishing one that was interrupted" } else { "" };
    output::line(format_args!(
        "key {} seals now; {} records wrapped anew{resumed}; back the key ring up again",
        rotation.current, rotation.rewrapped
    ))?;
    Ok(())
}
