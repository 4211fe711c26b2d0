//! Files that are read again when their content has changed. Looking is cheap and needs nothing of the file system:
//! mounted secrets are replaced by links, which notifications miss.

use std::path::PathBuf;

use ring::digest::{Context, Digest, SHA256};
use zeroize::Zeroizing;

/// Files that are used together, and a digest of what was in them.
#[derive(Debug)]
pub(crate) struct Files {
    paths: Vec<PathBuf>,
    seen: Option<Digest>,
}

impl Files {
    /// As they are now.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        let seen = Some(fingerprint(&paths));
        Self { paths, seen }
    }

    /// Whether they are not as they were when this was last asked. Reads the files: not for a task that others wait for.
    pub(crate) fn have_changed(&mut self) -> bool {
        let found = fingerprint(&self.paths);
        let changed = self.seen.is_none_or(|seen| seen.as_ref() != found.as_ref());
        self.seen = Some(found);
        changed
    }

    /// They could not be used, and what was in the way may be mended without a change to them: next time they count as changed.
    pub(crate) fn look_again(&mut self) {
        self.seen = None;
    }
}

/// One that cannot be read counts as one of its own, so that its return is noticed.
fn fingerprint(paths: &[PathBuf]) -> Digest {
    let mut digest = Context::new(&SHA256);
    for path in paths {
        let content = std::fs::read(path).map(Zeroizing::new);
        let length = content.as_ref().map_or(u64::MAX, |content| u64::try_from(content.len()).unwrap_or(u64::MAX));
        digest.update(&length.to_be_bytes());
        if let Ok(content) = content {
            digest.update(&content);
        }
    }
    digest.finish()
}
