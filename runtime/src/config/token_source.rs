//! Where a service finds the token that it shows to the others.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{ConfigError, de, variable};
use crate::auth::TokenFile;
use crate::private_file;

/// The keys `token` and `token_file` of a section. A section with other keys names these two itself (serde cannot both
/// flatten and refuse unknown keys) and puts them together here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenSource {
    /// `….token`: the token itself. Default: none.
    #[serde(deserialize_with = "de::secret")]
    pub token: Option<SecretString>,
    /// `….token_file`: a file with nothing but the token, mode 0600. Default: none.
    pub token_file: Option<PathBuf>,
}

impl TokenSource {
    /// The token: the one given, else the content of `token_file`, else the entry `name` of the tokens file.
    /// Blanks and line breaks around it are dropped. `section` (such as `dispatcher`) is for the errors.
    ///
    /// # Errors
    /// [`ConfigError`] with the key and the remedy when there is none, or when the one there is cannot be used.
    pub fn resolve(&self, section: &str, name: &str, tokens_file: Option<&Path>) -> Result<SecretString, ConfigError> {
        let key = format!("{section}.token");
        if let Some(token) = &self.token {
            return usable(token.expose_secret(), &format!("the setting {key}"));
        }
        if let Some(path) = &self.token_file {
            let place = format!("the file {} (setting {section}.token_file)", path.display());
            let content = private_file::read(path)
                .map_err(|error| ConfigError::new(format!("the setting {section}.token_file: {error}")))?;
            let text = std::str::from_utf8(&content)
                .map_err(|_| ConfigError::new(format!("{place} is not text; put the token alone into it")))?;
            return usable(text, &place);
        }
        if let Some(path) = tokens_file {
            return TokenFile::read(path).and_then(|file| file.token_of(name)).map_err(|error| {
                ConfigError::new(format!("no {key} is set, and auth.tokens_file has none either: {error}"))
            });
        }
        Err(ConfigError::new(format!(
            "no token for {section}: set {key} ({}), {key}_file, or auth.tokens_file with an entry {name:?}",
            variable(&key)
        )))
    }
}

fn usable(token: &str, place: &str) -> Result<SecretString, ConfigError> {
    let token = token.trim();
    if token.is_empty() {
        return Err(ConfigError::new(format!("{place} is empty; put a token there or remove it")));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ConfigError::new(format!(
            "{place} has a blank or a character that a header cannot carry; use visible ASCII only"
        )));
    }
    Ok(SecretString::from(token))
}
