//! How a kept snapshot is sealed: AES-256-GCM under a key of the dispatchers' own.
//!
//! ```text
//! magic 6 | version 1 | length of epoch 1 | epoch | revision 8 | confirmed, epoch ms 8 | contract 32 | nonce 12 | sealed
//! ```
//!
//! Everything before the nonce is readable, and bound to the content together with what it is for: nobody can pass an old
//! snapshot off as a younger one, or something else that was sealed under this key as a snapshot. `contract` is the digest
//! of the contract that the writer was built with: whoever knows another one may miss something in it.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{Context, SHA256, SHA256_OUTPUT_LEN, digest},
    rand::{SecureRandom as _, SystemRandom},
};
use switchboard_proto::FILE_DESCRIPTOR_SET;
use switchboard_runtime::{
    private_file::{self, PrivateFileError},
    watch_client::Position,
};
use zeroize::Zeroizing;

const MAGIC: &[u8; 6] = b"SBKEPT";
const VERSION: u8 = 1;
const PURPOSE: &[u8] = b"switchboard dispatcher: last known good configuration";
const KEY_LENGTH: usize = 32;
/// The longest that what stands before the nonce can be.
pub(super) const LONGEST_LABEL: usize = 6 + 1 + 1 + 255 + 8 + 8 + SHA256_OUTPUT_LEN;

/// The key that seals what dispatchers keep. All that share a Redis share it.
pub struct SnapshotKey {
    key: LessSafeKey,
    scope: String,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotKeyError {
    /// The file cannot be read or written, or others can read it.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// It is no key.
    #[error(
        "{} is no snapshot key: it must be 32 bytes in Base64; remove it and run `switchboard keys snapshot`", .0.display()
    )]
    Malformed(PathBuf),
    /// No random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

impl SnapshotKey {
    /// The key in a file; `None`: there is no such file.
    ///
    /// # Errors
    ///
    /// When it is no key, or others can read it.
    pub fn load(path: &Path) -> Result<Option<Self>, SnapshotKeyError> {
        if !path.exists() {
            return Ok(None);
        }
        let content = private_file::read(path)?;
        let malformed = || SnapshotKeyError::Malformed(path.to_owned());
        let bytes = Zeroizing::new(STANDARD.decode(content.trim_ascii()).map_err(|_| malformed())?);
        Self::new(&bytes).ok_or_else(malformed).map(Some)
    }

    /// Makes a key with mode 0600, unless there is a file already. Says whether it made one.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn generate(path: &Path) -> Result<bool, SnapshotKeyError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_LENGTH]);
        SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| SnapshotKeyError::NoRandomness)?;
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(bytes.as_slice())));
        Ok(private_file::create(path, text.as_bytes())?)
    }

    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?);
        let mut scope = Context::new(&SHA256);
        scope.update(b"switchboard dispatcher: scope of a snapshot key");
        scope.update(bytes);
        Some(Self { key, scope: hex::encode(&scope.finish().as_ref()[..8]) })
    }

    /// Tells apart what was sealed under different keys; says nothing about the key.
    pub(super) fn scope(&self) -> &str {
        &self.scope
    }
}

/// What can be read of a kept snapshot without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) position: Position,
    /// When it was last known to be what config-service has.
    pub(super) confirmed: DateTime<Utc>,
    contract: [u8; SHA256_OUTPUT_LEN],
}

/// Why a kept snapshot cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is no kept snapshot")]
    Foreign,
    #[error("its form is of version {0}, which this version does not know")]
    Version(u8),
    #[error("it was sealed under another key, or it is damaged")]
    Sealed,
    #[error("it was last confirmed at {0}, which is longer ago than dispatcher.max_stale")]
    TooOld(DateTime<Utc>),
    #[error("an entry in it cannot be read")]
    Entry,
}

impl Label {
    /// A label of this program's contract.
    pub(super) fn new(position: Position, confirmed: DateTime<Utc>) -> Self {
        Self { position, confirmed, contract: contract() }
    }

    /// Whether the writer was built with the contract that this program was built with.
    pub(super) fn is_of_this_contract(&self) -> bool {
        self.contract == contract()
    }

    /// Whether `other` has nothing that this does not have. Two epochs cannot be compared: what comes later counts.
    pub(super) fn supersedes(&self, other: &Self) -> bool {
        self.position.epoch == other.position.epoch
            && (self.position.revision, self.confirmed) >= (other.position.revision, other.confirmed)
    }

    /// Reads what stands before the nonce.
    pub(super) fn read(sealed: &[u8]) -> Result<Self, Unusable> {
        parse(sealed).map(|(label, _)| label)
    }

    fn write(&self) -> Option<Vec<u8>> {
        let epoch = self.position.epoch.as_bytes();
        let mut label = Vec::with_capacity(LONGEST_LABEL);
        label.extend_from_slice(MAGIC);
        label.extend_from_slice(&[VERSION, u8::try_from(epoch.len()).ok()?]);
        label.extend_from_slice(epoch);
        label.extend_from_slice(&self.position.revision.to_be_bytes());
        label.extend_from_slice(&self.confirmed.timestamp_millis().to_be_bytes());
        label.extend_from_slice(&self.contract);
        Some(label)
    }
}

fn contract() -> [u8; SHA256_OUTPUT_LEN] {
    let mut contract = [0; SHA256_OUTPUT_LEN];
    contract.copy_from_slice(digest(&SHA256, FILE_DESCRIPTOR_SET).as_ref());
    contract
}

/// The label, and how long it is.
fn parse(sealed: &[u8]) -> Result<(Label, usize), Unusable> {
    let mut rest = sealed.strip_prefix(MAGIC).ok_or(Unusable::Foreign)?;
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at_checked(count).ok_or(Unusable::Foreign)?;
        rest = left;
        Ok(taken)
    };
    let &[version, epoch_length] = take(2)? else { return Err(Unusable::Foreign) };
    if version != VERSION {
        return Err(Unusable::Version(version));
    }
    let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).map_err(|_| Unusable::Foreign);
    let epoch = std::str::from_utf8(take(usize::from(epoch_length))?).map_err(|_| Unusable::Foreign)?.to_owned();
    let revision = number(take(8)?)?;
    let confirmed = DateTime::from_timestamp_millis(number(take(8)?)?).ok_or(Unusable::Foreign)?;
    let contract = take(SHA256_OUTPUT_LEN)?.try_into().map_err(|_| Unusable::Foreign)?;
    let length = sealed.len() - rest.len();
    Ok((Label { position: Position { revision, epoch }, confirmed, contract }, length))
}

fn bound(label: &[u8]) -> Aad<Vec<u8>> {
    Aad::from([PURPOSE, label].concat())
}

/// Seals `content`; `None`: it cannot be sealed.
pub(super) fn seal(key: &SnapshotKey, label: &Label, mut content: Zeroizing<Vec<u8>>) -> Option<Vec<u8>> {
    let mut sealed = label.write()?;
    let mut nonce = [0_u8; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).ok()?;
    let aad = bound(&sealed);
    // In place: what was readable is not any more.
    let tag = key.key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut content).ok()?;
    sealed.reserve_exact(NONCE_LEN + content.len() + tag.as_ref().len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&content);
    sealed.extend_from_slice(tag.as_ref());
    Some(sealed)
}

/// Opens what [`seal`] made.
pub(super) fn open(key: &SnapshotKey, sealed: Vec<u8>) -> Result<(Label, Zeroizing<Vec<u8>>), Unusable> {
    let (label, length) = parse(&sealed)?;
    let mut sealed = Zeroizing::new(sealed);
    let aad = bound(&sealed[..length]);
    let begin = length + NONCE_LEN;
    let nonce = sealed.get(length..begin).ok_or(Unusable::Foreign)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unusable::Foreign)?;
    let opened = key.key.open_within(nonce, aad, &mut sealed, begin..).map_err(|_| Unusable::Sealed)?.len();
    sealed.truncate(opened);
    Ok((label, sealed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SnapshotKey {
        SnapshotKey::new(&[byte; KEY_LENGTH]).unwrap()
    }

    fn label(revision: i64) -> Label {
        let position = Position { revision, epoch: "epoch-1".to_owned() };
        Label::new(position, DateTime::from_timestamp_millis(1_700_000_000_123).unwrap())
    }

    fn sealed(revision: i64) -> Vec<u8> {
        seal(&key(1), &label(revision), Zeroizing::new(b"a canary in clear".to_vec())).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_again_and_shows_nothing_but_its_label() {
        let sealed = sealed(7);
        assert!(!sealed.windows(6).any(|window| window == b"canary"));
        assert_eq!(Label::read(&sealed[..LONGEST_LABEL.min(sealed.len())]).unwrap(), label(7));
        let (opened, content) = open(&key(1), sealed).unwrap();
        assert_eq!((opened, content.as_slice()), (label(7), b"a canary in clear".as_slice()));
    }

    #[test]
    fn another_key_opens_nothing() {
        assert_eq!(open(&key(2), sealed(7)).unwrap_err(), Unusable::Sealed);
        assert_ne!(key(1).scope(), key(2).scope());
    }

    #[test]
    fn no_byte_can_be_changed_or_left_out() {
        let sealed = sealed(7);
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(open(&key(1), changed).is_err(), "byte {index}");
            assert!(open(&key(1), sealed[..index].to_vec()).is_err(), "the first {index} bytes");
        }
    }

    #[test]
    fn a_form_of_a_later_version_is_told_from_nonsense() {
        let mut later = sealed(7);
        later[MAGIC.len()] = 2;
        assert_eq!(open(&key(1), later).unwrap_err(), Unusable::Version(2));
        assert_eq!(open(&key(1), b"{}".to_vec()).unwrap_err(), Unusable::Foreign);
    }

    #[test]
    fn the_newer_of_an_epoch_supersedes_the_older() {
        assert!(label(7).supersedes(&label(7)) && label(8).supersedes(&label(7)) && !label(7).supersedes(&label(8)));
        let other = Label { position: Position { revision: 9, epoch: "epoch-2".to_owned() }, ..label(9) };
        assert!(!label(7).supersedes(&other) && !other.supersedes(&label(7)));
    }

    #[test]
    fn a_key_file_is_made_once_and_must_be_a_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot.key");
        assert!(SnapshotKey::load(&path).unwrap().is_none());
        assert!(SnapshotKey::generate(&path).unwrap() && !SnapshotKey::generate(&path).unwrap());
        let scope = SnapshotKey::load(&path).unwrap().unwrap().scope().to_owned();
        assert_eq!(SnapshotKey::load(&path).unwrap().unwrap().scope(), scope);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "AAAA").unwrap();
        let Err(error) = SnapshotKey::load(&path) else { panic!("four characters are no key") };
        assert!(error.to_string().contains("switchboard keys snapshot"), "{error}");
    }
}
