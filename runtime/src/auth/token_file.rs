//! The tokens file: JSON `{"<name>": {"token": "…", "roles": ["OPERATOR"], "organizations": ["…"]}}`. In the place of a
//! token stands `token_sha256`, its SHA-256 in hex, where only the holder shall have it in clear.
//!
//! This is the only place that sees tokens in clear. Servers keep digests ([`Tokens`](super::Tokens)); a client takes
//! its own with [`TokenFile::token_of`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use zeroize::Zeroizing;

use super::tokens::{Sha256, sha256};
use super::{Principal, Role, UnknownRole};
use crate::private_file::{self, PrivateFileError};

/// The entries of a generated file and what each may do.
pub const STANDARD_ENTRIES: [(&str, Role); 7] = [
    ("sender", Role::Sender),
    ("viewer", Role::Viewer),
    ("operator", Role::Operator),
    ("superadmin", Role::Superadmin),
    ("auditor", Role::Auditor),
    ("dispatcher", Role::Dispatcher),
    ("webhook-gateway", Role::WebhookGateway),
];

/// Bytes of chance in a generated token.
const TOKEN_BYTES: usize = 32;

/// What is wrong with a tokens file. None of them shows a token.
#[derive(Debug, Error)]
pub enum TokenFileError {
    /// It cannot be read or written, or others may read it.
    #[error("the tokens file: {0}")]
    File(#[from] PrivateFileError),
    /// It is not JSON of the right shape. The parser's own words could quote a token, so only the place is given.
    #[error(
        "the tokens file {} is not as expected at line {line}, column {column}; each entry is \
         \"<name>\": {{\"token\": \"…\", \"roles\": [\"OPERATOR\"], \"organizations\": [\"…\"]}}, the last optional, \
         and \"token_sha256\" may stand for \"token\"",
        path.display()
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An entry has a role that does not exist.
    #[error("the tokens file {}, entry {name:?}: {source}", path.display())]
    Role {
        /// The file.
        path: PathBuf,
        /// The entry.
        name: String,
        /// The role, and those there are.
        source: UnknownRole,
    },
    /// An entry's token is empty, or cannot be sent in a header.
    #[error(
        "the tokens file {}, entry {name:?}: the token is empty or has a character other than visible ASCII; \
         use 32 random bytes in base64url",
        path.display()
    )]
    Token {
        /// The file.
        path: PathBuf,
        /// The entry.
        name: String,
    },
    /// An entry has both forms of a token, neither, or a digest that is none.
    #[error(
        "the tokens file {}, entry {name:?}: give either \"token\" or \"token_sha256\", the latter as 64 hex digits",
        path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// The entry.
        name: String,
    },
    /// Only the digest of a token is known here.
    #[error(
        "the tokens file {} has only the digest of the token of {name:?}; give the token itself to whoever shows it, \
         in a file of its own",
        path.display()
    )]
    Hashed {
        /// The file.
        path: PathBuf,
        /// The entry.
        name: String,
    },
    /// Two entries have one token, so that nobody could say who called.
    #[error("the tokens file {}: {first:?} and {second:?} have the same token; give each its own", path.display())]
    Shared {
        /// The file.
        path: PathBuf,
        /// One entry.
        first: String,
        /// The other.
        second: String,
    },
    /// There is no entry of this name.
    #[error("the tokens file {} has no entry {name:?}; add it, or use one of: {known}", path.display())]
    NoEntry {
        /// The file.
        path: PathBuf,
        /// The entry that was looked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The operating system gives no random bytes.
    #[error("no random bytes for new tokens; the operating system's generator has failed")]
    Random,
}

/// A tokens file that has been read and found sound.
pub struct TokenFile {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    /// None where only the digest is known.
    token: Option<SecretString>,
    digest: Sha256,
    principal: Principal,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    #[serde(default, deserialize_with = "wiped")]
    token: Option<Zeroizing<String>>,
    token_sha256: Option<String>,
    roles: Vec<String>,
    organizations: Option<BTreeSet<String>>,
}

#[derive(Serialize)]
struct NewEntry {
    #[serde(serialize_with = "in_clear")]
    token: Zeroizing<String>,
    roles: [&'static str; 1],
}

fn wiped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    String::deserialize(deserializer).map(|token| Some(Zeroizing::new(token)))
}

fn in_clear<S: Serializer>(token: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token)
}

impl TokenFile {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// [`TokenFileError`], one sentence for the operator.
    pub fn read(path: &Path) -> Result<Self, TokenFileError> {
        let content = private_file::read(path)?;
        let raw: BTreeMap<String, RawEntry> = serde_json::from_slice(&content).map_err(|error| {
            TokenFileError::Shape { path: path.to_owned(), line: error.line(), column: error.column() }
        })?;
        let mut entries = BTreeMap::new();
        for (name, raw) in raw {
            let entry = Entry::check(path, &name, raw)?;
            entries.insert(name, entry);
        }
        let file = Self { path: path.to_owned(), entries };
        file.refuse_shared_tokens()?;
        Ok(file)
    }

    /// As [`Tokens::generate_file`](super::Tokens::generate_file).
    pub(super) fn generate(path: &Path) -> Result<bool, TokenFileError> {
        let random = SystemRandom::new();
        let mut entries = BTreeMap::new();
        for (name, role) in STANDARD_ENTRIES {
            let mut bytes = Zeroizing::new([0_u8; TOKEN_BYTES]);
            random.fill(bytes.as_mut_slice()).map_err(|_| TokenFileError::Random)?;
            let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
            let roles = [role.as_str()];
            entries.insert(name, NewEntry { token, roles });
        }
        let json = serde_json::to_vec_pretty(&entries).map_err(|_| TokenFileError::Random)?;
        Ok(private_file::create(path, &Zeroizing::new(json))?)
    }

    /// The token of the entry `name`, for a client to show.
    ///
    /// # Errors
    /// [`TokenFileError::NoEntry`] with the names there are, [`TokenFileError::Hashed`] when the file has only a digest.
    pub fn token_of(&self, name: &str) -> Result<SecretString, TokenFileError> {
        let entry = self.entries.get(name).ok_or_else(|| TokenFileError::NoEntry {
            path: self.path.clone(),
            name: name.to_owned(),
            known: self.names().collect::<Vec<_>>().join(", "),
        })?;
        entry.token.clone().ok_or_else(|| TokenFileError::Hashed { path: self.path.clone(), name: name.to_owned() })
    }

    /// The names of the entries, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The digest of each token with its holder.
    pub(super) fn holders(&self) -> impl Iterator<Item = (Sha256, Principal)> {
        self.entries.values().map(|entry| (entry.digest, entry.principal.clone()))
    }

    fn refuse_shared_tokens(&self) -> Result<(), TokenFileError> {
        let mut seen: HashMap<&Sha256, &str> = HashMap::new();
        for (name, entry) in &self.entries {
            if let Some(first) = seen.insert(&entry.digest, name) {
                return Err(TokenFileError::Shared {
                    path: self.path.clone(),
                    first: first.to_owned(),
                    second: name.clone(),
                });
            }
        }
        Ok(())
    }
}

impl Entry {
    fn check(path: &Path, name: &str, raw: RawEntry) -> Result<Self, TokenFileError> {
        let form = || TokenFileError::Form { path: path.to_owned(), name: name.to_owned() };
        let (token, digest) = match (raw.token, raw.token_sha256) {
            (Some(token), None) => {
                if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(TokenFileError::Token { path: path.to_owned(), name: name.to_owned() });
                }
                (Some(SecretString::from(token.as_str())), sha256(&token))
            }
            (None, Some(digest)) => {
                let mut bytes = Sha256::default();
                hex::decode_to_slice(digest, &mut bytes).map_err(|_| form())?;
                (None, bytes)
            }
            _ => return Err(form()),
        };
        let roles: Result<Vec<Role>, UnknownRole> = raw.roles.iter().map(|role| role.parse()).collect();
        let roles =
            roles.map_err(|source| TokenFileError::Role { path: path.to_owned(), name: name.to_owned(), source })?;
        Ok(Self { token, digest, principal: Principal::new(name, roles, raw.organizations) })
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path).field("names", &self.entries.keys()).finish()
    }
}
