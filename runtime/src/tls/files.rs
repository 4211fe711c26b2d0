//! Certificates, keys and authorities from PEM files; errors name the setting and the file.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::parse_x509_certificate;

use crate::config::ConfigError;
use crate::private_file;

/// A setting and the file that it names.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) key: &'static str,
    pub(super) path: PathBuf,
}

impl Named {
    pub(super) fn error(&self, why: impl std::fmt::Display) -> ConfigError {
        ConfigError::new(format!("the file {} (setting {}) {why}", self.path.display(), self.key))
    }
}

/// A certificate chain and its key, as settings name them.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) certificate: Named,
    pub(super) key: Named,
}

/// The same, read.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// When the first certificate of the chain ends.
    pub(super) expires: DateTime<Utc>,
}

impl Pair {
    /// Both, or neither.
    pub(super) fn of(
        certificate_key: &'static str,
        certificate: &Option<PathBuf>,
        key_key: &'static str,
        key: &Option<PathBuf>,
    ) -> Result<Option<Self>, ConfigError> {
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Self {
                certificate: Named { key: certificate_key, path: certificate.clone() },
                key: Named { key: key_key, path: key.clone() },
            })),
            (Some(_), None) => Err(half(certificate_key, key_key)),
            (None, Some(_)) => Err(half(key_key, certificate_key)),
        }
    }

    pub(super) fn paths(&self) -> [PathBuf; 2] {
        [self.certificate.path.clone(), self.key.path.clone()]
    }

    pub(super) fn read(&self) -> Result<Identity, ConfigError> {
        let chain = certificates(&self.certificate)?;
        let first = chain.first().ok_or_else(|| self.certificate.error("holds no certificate"))?;
        let expires = expiry(first).ok_or_else(|| self.certificate.error("holds a certificate that cannot be read"))?;
        let content = private_file::read_for_group(&self.key.path)
            .map_err(|error| ConfigError::new(format!("the setting {}: {error}", self.key.key)))?;
        let key = PrivateKeyDer::from_pem_slice(&content).map_err(|_| {
            self.key.error("holds no private key in PEM (PKCS#8, PKCS#1 or SEC1, not protected by a password)")
        })?;
        Ok(Identity { chain, key, expires })
    }

    /// Why the two cannot be used together.
    pub(super) fn mismatch(&self, error: &rustls::Error) -> ConfigError {
        self.key.error(format_args!(
            "cannot be used with the certificate {} (setting {}): {error}",
            self.certificate.path.display(),
            self.certificate.key
        ))
    }
}

fn half(given: &str, missing: &str) -> ConfigError {
    ConfigError::new(format!("{given} is set without {missing}; set both or neither"))
}

/// The authorities in a file.
pub(super) fn authorities(file: &Named) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| file.error(format_args!("holds an unusable authority: {error}")))?;
    }
    if roots.is_empty() {
        return Err(file.error("holds no certificate"));
    }
    Ok(roots)
}

fn certificates(file: &Named) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let content = read(&file.path).map_err(|error| file.error(format_args!("cannot be read: {error}")))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    found.map_err(|error| file.error(format_args!("is not valid PEM: {error}")))
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<DateTime<Utc>> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0)
}
