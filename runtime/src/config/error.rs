//! Turns what figment says into sentences for the operator.

use figment::Figment;
use figment::error::{Actual, Kind};
use thiserror::Error;

use super::variable;

/// What is wrong with the settings: one sentence each, joined.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// An error of this sentence. For rules between fields, too: name the keys and the remedy.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

pub(super) fn explain(figment: &Figment, errors: figment::Error) -> ConfigError {
    let sentences: Vec<String> = errors.into_iter().map(|error| sentence(figment, &error)).collect();
    ConfigError(sentences.join("; "))
}

fn sentence(figment: &Figment, error: &figment::Error) -> String {
    let key = error.path.join(".");
    match &error.kind {
        Kind::UnknownField(_, allowed) => {
            // The path ends with the unknown key itself.
            format!("unknown setting {key}{}; allowed there: {}", place(figment, &key), list(allowed))
        }
        Kind::MissingField(name) => {
            let key = child(&key, name);
            format!("the setting {key} is missing; set it in the file or as {}", variable(&key))
        }
        Kind::UnknownVariant(value, allowed) => {
            format!("the setting {key}{} is {value:?}; allowed: {}", place(figment, &key), list(allowed))
        }
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            format!("the setting {key}{} is {}; allowed: {}", place(figment, &key), plain(found), expectation(expected))
        }
        kind => format!("the setting {key}{} is not valid: {}", place(figment, &key), one_line(&kind.to_string())),
    }
}

fn child(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

/// " (from the file …)", when a layer set the key.
fn place(figment: &Figment, key: &str) -> String {
    figment.find_metadata(key).map(|metadata| format!(" (from {})", metadata.name)).unwrap_or_default()
}

fn list(allowed: &[&str]) -> String {
    if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") }
}

fn plain(found: &Actual) -> String {
    match found {
        Actual::Str(text) => format!("{text:?}"),
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(number) => number.to_string(),
        Actual::Signed(number) => number.to_string(),
        Actual::Float(number) => number.to_string(),
        Actual::Map => "a section".to_owned(),
        Actual::Seq => "a list".to_owned(),
        other => other.to_string(),
    }
}

fn expectation(expected: &str) -> String {
    match expected {
        "a duration" => "a duration such as 500ms, 30s, 5m or 24h".to_owned(),
        "a string" => "text in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative and not too large".to_owned(),
        _ if expected.starts_with("struct ") => "a section with keys of its own".to_owned(),
        _ => expected.to_owned(),
    }
}

/// A parser's message without the excerpt of the source, which may hold a secret, and without line breaks.
pub(super) fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.contains('|')).collect();
    lines.join(": ")
}
