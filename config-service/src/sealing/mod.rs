//! Envelope encryption of credentials.
//!
//! Each record has its own data key (AES-256-GCM); the data key is wrapped by the current key of a versioned key ring.
//! Both ciphertexts are bound to organisation, vendor and record version, so a blob moved to another row, or an old blob
//! put back under a new version, does not open. Rotating wraps the data keys anew and leaves the records alone.

mod envelope;
mod key_file;
mod key_ring;
mod payload;
mod rotation;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, Utc};
use switchboard_runtime::private_file::PrivateFileError;

pub use envelope::{Binding, SealedRecord};
pub use key_ring::{KEY_BYTES, KeyRing, Purpose};
pub use payload::{ConfigSecrets, ReplacedSecret};
pub use rotation::{Rotation, RotationError, rotate};

/// Why something cannot be sealed or opened. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The ring has no such key.
    #[error("the key ring has no key {version}: it is older than the store, or belongs to another one")]
    UnknownKey {
        /// As the record names it.
        version: u32,
    },
    /// The key was retired by a rotation.
    #[error(
        "key {version} was retired at {retired_at}: what it wrapped can only be opened with the key ring file of before; \
         restore that file together with the backup"
    )]
    RetiredKey {
        /// As the record names it.
        version: u32,
        /// When.
        retired_at: DateTime<Utc>,
    },
    /// The ciphertext is not what was sealed for this row.
    #[error(
        "the sealed credentials of {organization_id}/{provider} do not open: they were altered or moved from another row"
    )]
    Broken {
        /// The row's organisation.
        organization_id: String,
        /// The row's vendor.
        provider: String,
    },
    /// The operating system gives no randomness.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

/// Why a key ring file cannot be used: one sentence with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is none.
    #[error("there is no key ring at {}: run `switchboard keys generate`, or set config_service.key_file", .0.display())]
    Missing(PathBuf),
    /// It cannot be read or written, or others may read it.
    #[error("the key ring: {0}")]
    File(#[from] PrivateFileError),
    /// It is not a key ring. The parser's own words could quote a key, so only the place is given.
    #[error("the key ring {} is not as expected at line {line}, column {column}: restore it from its backup", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// It is well-formed but makes no sense.
    #[error("the key ring {}: {what}: restore it from its backup", path.display())]
    Nonsense {
        /// The file.
        path: PathBuf,
        /// What.
        what: &'static str,
    },
    /// It cannot be replaced.
    #[error("cannot write the key ring {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No randomness for new keys.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// The key ring of a running service: shared, and read again from its file when a rotation has gone by.
#[derive(Clone, Debug)]
pub struct Keys {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    ring: RwLock<Arc<KeyRing>>,
}

impl Keys {
    /// Loads the ring.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`], one sentence for the operator.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let ring = RwLock::new(Arc::new(KeyRing::load(path)?));
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), ring }) })
    }

    /// The ring as last read.
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.inner.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`]; the ring in memory stays in use.
    pub fn reload(&self) -> Result<Arc<KeyRing>, KeyFileError> {
        let ring = Arc::new(KeyRing::load(&self.inner.path)?);
        *self.inner.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&ring);
        tracing::info!(current = ring.current(), "key ring read again");
        Ok(ring)
    }

    /// Seals the secrets of a config with the current key.
    ///
    /// # Errors
    ///
    /// [`SealError`].
    pub fn seal(&self, binding: &Binding<'_>, secrets: &ConfigSecrets) -> Result<SealedRecord, SealError> {
        SealedRecord::seal(&self.ring(), binding, &secrets.encode())
    }

    /// Opens the secrets of a config. A key that the ring in memory does not have is looked for in the file once.
    ///
    /// # Errors
    ///
    /// [`SealError`].
    pub fn open(&self, binding: &Binding<'_>, record: &SealedRecord) -> Result<ConfigSecrets, SealError> {
        let plain = match record.open(&self.ring(), binding) {
            Err(SealError::UnknownKey { version }) => match self.reload() {
                Ok(ring) => record.open(&ring, binding)?,
                Err(error) => {
                    tracing::error!(%error, version, "a record names a newer key and the key ring cannot be read again");
                    return Err(SealError::UnknownKey { version });
                }
            },
            other => other?,
        };
        ConfigSecrets::decode(&plain).ok_or_else(|| binding.broken())
    }
}
