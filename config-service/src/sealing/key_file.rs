//! The key ring as a file: JSON, mode 0600, replaced whole or not at all.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use switchboard_runtime::private_file;
use zeroize::Zeroizing;

use super::{
    KEY_BYTES, KeyFileError, KeyRing,
    key_ring::{Key, KeyBytes},
};

const FORMAT: u32 = 1;
/// A ring with more keys than anybody ever rotates through is still far below this.
const ROOM: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    /// What connection test tokens and audit heads are signed with is derived from this.
    root: Material,
    current: u32,
    keys: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Material>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired_at: Option<DateTime<Utc>>,
}

/// Base64 of 32 bytes.
struct Material(KeyBytes);

impl Serialize for Material {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0.as_slice())))
    }
}

impl<'de> Deserialize<'de> for Material {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = Zeroizing::new(STANDARD.decode(text.as_bytes()).unwrap_or_default());
        if bytes.len() != KEY_BYTES {
            return Err(serde::de::Error::custom("not the base64 of 32 bytes"));
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        key.copy_from_slice(&bytes);
        Ok(Self(key))
    }
}

impl KeyRing {
    /// Makes a key ring file of mode 0600 with one key; one that exists is kept. Says whether it made one.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when it cannot be written.
    pub fn generate(path: &Path, now: DateTime<Utc>) -> Result<bool, KeyFileError> {
        let content = Self::fresh(now)?.encode(path)?;
        Ok(private_file::create(path, &content)?)
    }

    /// Reads a key ring file.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`]: missing, open to others, or not a key ring.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        if !path.exists() {
            return Err(KeyFileError::Missing(path.to_owned()));
        }
        let bytes = private_file::read(path)?;
        let content: Content = serde_json::from_slice(&bytes).map_err(|error| KeyFileError::Shape {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
        })?;
        let nonsense = |what| KeyFileError::Nonsense { path: path.to_owned(), what };
        if content.format != FORMAT {
            return Err(nonsense("it has a format that this version does not know"));
        }
        let mut keys = BTreeMap::new();
        for entry in content.keys {
            let key = match (entry.key, entry.retired_at) {
                (Some(material), None) => {
                    Key::Usable { bytes: material.0, created_at: entry.created_at.unwrap_or_default() }
                }
                (None, Some(retired_at)) => Key::Retired { retired_at },
                _ => return Err(nonsense("a key is neither usable nor retired")),
            };
            if keys.insert(entry.version, key).is_some() {
                return Err(nonsense("a version is there twice"));
            }
        }
        let ring = Self { root: content.root.0, current: content.current, keys };
        match ring.key(ring.current) {
            Ok(_) => Ok(ring),
            Err(_) => Err(nonsense("its current key is not there")),
        }
    }

    /// Puts this ring in the place of the file: whoever reads sees the old one or the new one.
    pub(super) fn replace(&self, path: &Path) -> Result<(), KeyFileError> {
        let content = self.encode(path)?;
        replace(path, &content).map_err(|source| KeyFileError::Unwritable { path: path.to_owned(), source })
    }

    fn encode(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        let keys = self.keys.iter().map(|(version, key)| match key {
            Key::Usable { bytes, created_at } => Entry {
                version: *version,
                key: Some(Material(bytes.clone())),
                created_at: Some(*created_at),
                retired_at: None,
            },
            Key::Retired { retired_at } => {
                Entry { version: *version, key: None, created_at: None, retired_at: Some(*retired_at) }
            }
        });
        let content =
            Content { format: FORMAT, root: Material(self.root.clone()), current: self.current, keys: keys.collect() };
        let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
        serde_json::to_writer_pretty(&mut *bytes, &content)
            .map_err(|error| KeyFileError::Unwritable { path: path.to_owned(), source: io::Error::other(error) })?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = beside(path, "new");
    // Left over from a rotation that was killed; the holder of the lock is the only one who writes it.
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let before = std::fs::metadata(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    // Whoever could read the old one, and nobody else: who rotates may be root, and the services are not.
    fchown(&file, Some(before.uid()), Some(before.gid()))?;
    file.set_permissions(before.permissions())?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Holds the key ring file against another rotation, until dropped or until the process ends.
pub(super) fn lock(path: &Path) -> Result<File, KeyFileError> {
    let locked = || {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside(path, "lock"))?;
        file.lock()?;
        Ok(file)
    };
    locked().map_err(|source| KeyFileError::Unwritable { path: path.to_owned(), source })
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name.push(extension);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    fn path() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        (folder, path)
    }

    #[test]
    fn a_generated_ring_is_private_loads_and_is_kept() {
        let (_folder, path) = path();
        assert!(KeyRing::generate(&path, DateTime::UNIX_EPOCH).unwrap());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let first = KeyRing::load(&path).unwrap().fingerprint();
        assert!(!KeyRing::generate(&path, DateTime::UNIX_EPOCH).unwrap());
        assert_eq!(KeyRing::load(&path).unwrap().fingerprint(), first);
    }

    #[test]
    fn a_replaced_ring_is_private_and_remembers_what_was_retired() {
        let (_folder, path) = path();
        KeyRing::generate(&path, DateTime::UNIX_EPOCH).unwrap();
        let mut ring = KeyRing::load(&path).unwrap();
        ring.add(DateTime::UNIX_EPOCH).unwrap();
        ring.retire_superseded(DateTime::UNIX_EPOCH);
        ring.replace(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let loaded = KeyRing::load(&path).unwrap();
        assert_eq!(loaded.current(), 2);
        assert!(loaded.key(1).unwrap_err().to_string().contains("was retired"));
    }

    #[test]
    fn a_replaced_ring_stays_with_those_who_could_read_it() {
        let (_folder, path) = path();
        KeyRing::generate(&path, DateTime::UNIX_EPOCH).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        // Only root may give a file away; anybody else's stays his own.
        let _ = chown(&path, Some(4_711), Some(4_711));
        let owner = |path: &Path| path.metadata().map(|file| (file.uid(), file.gid(), file.mode())).unwrap();
        let before = owner(&path);
        KeyRing::load(&path).unwrap().replace(&path).unwrap();
        assert_eq!(owner(&path), before);
    }

    #[test]
    fn a_missing_exposed_or_damaged_ring_is_refused_with_the_remedy() {
        let (_folder, path) = path();
        let error = KeyRing::load(&path).unwrap_err().to_string();
        assert!(error.contains("switchboard keys generate"), "{error}");
        KeyRing::generate(&path, DateTime::UNIX_EPOCH).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = KeyRing::load(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let key = std::fs::read_to_string(&path).unwrap();
        let secret = key.split('"').find(|word| word.ends_with('=')).unwrap().to_owned();
        std::fs::write(&path, key.replace("\"current\"", "\"currant\"")).unwrap();
        let error = KeyRing::load(&path).unwrap_err().to_string();
        assert!(error.contains("not as expected at line") && !error.contains(&secret), "{error}");
        std::fs::write(&path, key.replace("\"current\": 1", "\"current\": 2")).unwrap();
        let error = KeyRing::load(&path).unwrap_err().to_string();
        assert!(error.contains("its current key is not there"), "{error}");
    }
}
