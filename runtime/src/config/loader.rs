//! Puts the layers on each other and remembers where each value came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ConfigError;
use super::error::{explain, one_line};

/// Every environment variable of ours begins with this.
pub const PREFIX: &str = "SWITCHBOARD_";

/// Says which file to read, so it is not itself a setting.
const FILE_VARIABLE: &str = "SWITCHBOARD_CONFIG";

/// The environment variable that sets `key`.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// Collects layers, each over the ones before it; [`Loader::load`] reports the first thing that went wrong.
#[derive(Debug, Default)]
#[must_use = "layers are nothing until they are loaded"]
pub struct Loader {
    figment: Figment,
    ignored: Vec<String>,
    failed: Option<ConfigError>,
}

impl Loader {
    /// No layers: every field has its default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a TOML file. One that is named must exist; none named is no layer.
    pub fn file(mut self, path: Option<PathBuf>) -> Self {
        let Some(path) = path else { return self };
        match read(&path) {
            Ok(layer) => self.figment = self.figment.merge(layer),
            Err(error) => self.fail(error),
        }
        self
    }

    /// Leaves these environment variables alone (whole names): they belong to the command line or to a test.
    pub fn ignoring<'a>(mut self, variables: impl IntoIterator<Item = &'a str>) -> Self {
        self.ignored.extend(variables.into_iter().map(str::to_owned));
        self
    }

    /// Adds the process's environment.
    pub fn env(self) -> Self {
        self.env_from(std::env::vars_os())
    }

    /// Adds an environment that is given, as [`Loader::env`] adds the process's.
    pub fn env_from(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        // Sorted, so that the outcome does not depend on the order in which a shell exported them.
        let ours: BTreeMap<OsString, OsString> =
            variables.into_iter().filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes())).collect();
        for (name, value) in ours {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
                self.fail(ConfigError::new(format!(
                    "the environment variable {} is not UTF-8; set it again as plain text",
                    name.to_string_lossy()
                )));
                continue;
            };
            if name == FILE_VARIABLE || self.ignored.iter().any(|ignored| ignored == name) {
                continue;
            }
            let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
            let place = format!("the environment variable {name}");
            self.figment = self.figment.merge(Layer::single(place, &key, from_env(value)));
        }
        self
    }

    /// Sets one key (`dispatcher.listen`), as a flag of the command line does.
    pub fn overlay(mut self, key: &str, value: impl Serialize) -> Self {
        match Value::serialize(value) {
            Ok(value) => {
                let place = "the command line".to_owned();
                self.figment = self.figment.merge(Layer::single(place, key, value));
            }
            Err(error) => self
                .fail(ConfigError::new(format!("the command line gives {key} a value that is not a setting: {error}"))),
        }
        self
    }

    /// The settings.
    ///
    /// # Errors
    /// [`ConfigError`]: a file that is missing or no TOML, an unknown key, a value of the wrong kind.
    pub fn load<T: DeserializeOwned>(self) -> Result<T, ConfigError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.figment.extract_lossy().map_err(|error| explain(&self.figment, error))
    }

    fn fail(&mut self, error: ConfigError) {
        self.failed.get_or_insert(error);
    }
}

/// A value of the environment is text; only what stands in square brackets is a list of texts.
fn from_env(text: &str) -> Value {
    let list = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match list {
        None => Value::from(text),
        Some(items) => items
            .split(',')
            .map(|item| item.trim().trim_matches('"'))
            .filter(|item| !item.is_empty())
            .map(Value::from)
            .collect::<Vec<_>>()
            .into(),
    }
}

fn read(path: &Path) -> Result<Layer, ConfigError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigError::new(format!(
            "the settings file {shown} cannot be read: {error}; name one that exists with --config or {FILE_VARIABLE}"
        ))
    })?;
    let values = Toml::string(&text).data().map_err(|error| {
        ConfigError::new(format!("the settings file {shown} is not valid TOML: {}", one_line(&error.kind.to_string())))
    })?;
    Ok(Layer { place: format!("the file {shown}"), values })
}

/// One layer and the place that errors about it name.
struct Layer {
    place: String,
    values: Map<Profile, Dict>,
}

impl Layer {
    fn single(place: String, key: &str, value: Value) -> Self {
        let values = match figment::util::nest(key, value) {
            Value::Dict(_, dict) => Profile::Default.collect(dict),
            _ => Map::new(),
        };
        Self { place, values }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(self.values.clone())
    }
}
