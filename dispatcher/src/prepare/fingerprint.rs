//! What makes two requests the same: all that the recipient would see, and who it is. Labels and limits do not count.

use ring::digest::{Context, SHA256};

use crate::store::Fingerprint;

/// Digests a request part by part.
pub(super) struct Digest(Context);

impl Digest {
    /// `kind` keeps the RPCs apart.
    pub(super) fn new(kind: &str) -> Self {
        let mut digest = Self(Context::new(&SHA256));
        digest.text(kind);
        digest
    }

    pub(super) fn text(&mut self, part: &str) {
        self.bytes(part.as_bytes());
    }

    /// With its length, so that no two lists of parts look alike.
    pub(super) fn bytes(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    pub(super) fn finish(self) -> Fingerprint {
        let digest = self.0.finish();
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(digest.as_ref());
        fingerprint
    }
}
