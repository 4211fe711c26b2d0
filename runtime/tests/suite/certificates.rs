//! Authorities and what they sign, as PEM files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Who signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// Writes the authority's own certificate.
    pub(crate) fn write(&self, path: &Path) -> PathBuf {
        std::fs::write(path, &self.certificate).unwrap();
        path.to_owned()
    }

    /// Writes a certificate for `names` and its key.
    pub(crate) fn issue(&self, names: &[&str], certificate: &Path, key: &Path) -> (PathBuf, PathBuf) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key_pair = KeyPair::generate().unwrap();
        let signed = CertificateParams::new(names).unwrap().signed_by(&key_pair, &self.issuer).unwrap();
        private(key, &key_pair.serialize_pem());
        std::fs::write(certificate, signed.pem()).unwrap();
        (certificate.to_owned(), key.to_owned())
    }
}

pub(crate) fn private(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
