//! Addresses that may hold a password: written into the settings, or kept in a file of their own.

use std::path::Path;

use super::ConfigError;
use crate::private_file;

/// The address that the setting `key` gives, else the content of the file that `key_file` names, without the blanks around
/// it; `None`: neither is set.
///
/// # Errors
/// When both are set, or the file cannot be used.
pub fn url(key: &str, url: Option<&str>, file: Option<&Path>) -> Result<Option<String>, ConfigError> {
    let path = match (url, file) {
        (Some(_), Some(_)) => {
            return Err(ConfigError::new(format!("both {key} and {key}_file are set; remove one of them")));
        }
        (url, None) => return Ok(url.map(str::to_owned)),
        (None, Some(path)) => path,
    };
    let content =
        private_file::read(path).map_err(|error| ConfigError::new(format!("the setting {key}_file: {error}")))?;
    match std::str::from_utf8(&content).map(str::trim) {
        Ok(url) if !url.is_empty() => Ok(Some(url.to_owned())),
        _ => Err(ConfigError::new(format!(
            "the setting {key}_file: {} holds no address; put nothing but the address into it",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_address_when_the_setting_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        private_file::create(&path, b"postgres://sb:secret@db/config\n").unwrap();
        let read = |setting: Option<&str>, file: Option<&Path>| url("x.database_url", setting, file);
        assert_eq!(read(None, Some(&path)).unwrap().unwrap(), "postgres://sb:secret@db/config");
        assert_eq!(read(Some("sqlite://a.db"), None).unwrap().unwrap(), "sqlite://a.db");
        assert_eq!(read(None, None).unwrap(), None);
        let error = read(Some("sqlite://a.db"), Some(&path)).unwrap_err().to_string();
        assert!(error.contains("x.database_url_file") && error.contains("remove one"), "{error}");
    }

    #[test]
    fn a_file_without_an_address_or_open_to_others_is_named_with_its_setting() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        private_file::create(&path, b" \n").unwrap();
        let error = url("redis_url", None, Some(&path)).unwrap_err().to_string();
        assert!(error.contains("redis_url_file") && error.contains("holds no address"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = url("redis_url", None, Some(&path)).unwrap_err().to_string();
        assert!(error.contains("redis_url_file") && error.contains("chmod 600"), "{error}");
    }
}
