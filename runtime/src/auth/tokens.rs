//! Bearer tokens to principals.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::{Principal, TokenFile, TokenFileError};

/// A token that is no good, with the sentence for its holder. Never the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRejected(pub Cow<'static, str>);

/// Says whose token it is. Answers from memory: whatever it needs (keys, say) it fetches beforehand, in the background.
pub trait Authenticator: Send + Sync + 'static {
    /// The holder of `token`.
    ///
    /// # Errors
    /// [`TokenRejected`] when nobody holds it, or not any more.
    fn authenticate(&self, token: &str) -> Result<Principal, TokenRejected>;
}

/// The tokens of a tokens file, kept only as SHA-256 digests.
#[derive(Clone)]
pub struct Tokens {
    entries: Vec<(Sha256, Principal)>,
}

/// The SHA-256 of a token.
pub(super) type Sha256 = [u8; SHA256_OUTPUT_LEN];

impl Tokens {
    /// Reads a tokens file.
    ///
    /// # Errors
    /// [`TokenFileError`], one sentence for the operator.
    pub fn load(path: &Path) -> Result<Self, TokenFileError> {
        Ok(Self::from(&TokenFile::read(path)?))
    }

    /// Makes a tokens file with [`STANDARD_ENTRIES`](super::STANDARD_ENTRIES), mode 0600, whole or not at all; one that
    /// exists is kept. Says whether it made one.
    ///
    /// # Errors
    /// [`TokenFileError`] when it cannot be written.
    pub fn generate_file(path: &Path) -> Result<bool, TokenFileError> {
        TokenFile::generate(path)
    }
}

impl From<&TokenFile> for Tokens {
    fn from(file: &TokenFile) -> Self {
        Self { entries: file.holders().collect() }
    }
}

impl Tokens {
    /// Who holds the token with this digest.
    pub(super) fn holder(&self, presented: &Sha256) -> Option<Principal> {
        // Looks at every entry to its end, so that the time taken says nothing about which one came close.
        let mut found = u64::MAX;
        for (index, (known, _)) in (0_u64..).zip(&self.entries) {
            found.conditional_assign(&index, known.ct_eq(presented));
        }
        usize::try_from(found).ok().and_then(|index| self.entries.get(index)).map(|(_, principal)| principal.clone())
    }
}

impl Authenticator for Tokens {
    fn authenticate(&self, token: &str) -> Result<Principal, TokenRejected> {
        self.holder(&sha256(token)).ok_or(UNKNOWN)
    }
}

/// Nobody holds it.
pub(super) const UNKNOWN: TokenRejected = TokenRejected(Cow::Borrowed("the bearer token is not known"));

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let principals = self.entries.iter().map(|(_, principal)| principal);
        f.debug_list().entries(principals).finish()
    }
}

pub(super) fn sha256(token: &str) -> Sha256 {
    let mut output = [0; SHA256_OUTPUT_LEN];
    output.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    output
}
