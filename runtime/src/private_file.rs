//! Files that only their owner may read: tokens, key rings, embedded storage.
//!
//! A file that others can read is refused rather than repaired: whoever could read it may have done so. One owned by root
//! may be readable by its group: so an orchestrator hands a secret to a process that is not root.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;
use zeroize::Zeroizing;

/// The user who may read everything anyway.
const ROOT: u32 = 0;

/// Why a private file cannot be used.
#[derive(Debug, Error)]
pub enum PrivateFileError {
    /// It cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Its group or others may read or write it.
    #[error(
        "{path} is open to others (mode {mode:03o}), although it holds secrets; run: chmod 600 {path}",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It cannot be made.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The whole content of a file that only its owner may read, wiped from memory when dropped.
///
/// # Errors
/// [`PrivateFileError::Unreadable`], or [`PrivateFileError::Exposed`] when its group or others may read or write it, but for
/// the group of a file of root.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    read_unless(path, 0o077)
}

/// The same for a file that its group may read as well, as keys of certificates are handed to services.
///
/// # Errors
/// [`PrivateFileError::Unreadable`], or [`PrivateFileError::Exposed`] when `mode & 0o037 != 0`.
pub fn read_for_group(path: &Path) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    read_unless(path, 0o037)
}

fn read_unless(path: &Path, exposed: u32) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let unreadable = |source| PrivateFileError::Unreadable { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    // The mode of what was opened, not of what the path names by now.
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.mode() & 0o777;
    if is_exposed(mode, exposed, metadata.uid()) {
        return Err(PrivateFileError::Exposed { path: path.to_owned(), mode });
    }
    // Room for all of it at once: a vector that grows leaves copies behind.
    let length = usize::try_from(metadata.len()).unwrap_or(0);
    let mut content = Zeroizing::new(Vec::with_capacity(length.saturating_add(1)));
    file.read_to_end(&mut content).map_err(unreadable)?;
    Ok(content)
}

/// Whether a mode has a bit of `exposed`, other than the one that a file of root may have.
fn is_exposed(mode: u32, exposed: u32, owner: u32) -> bool {
    let may_read = if owner == ROOT { 0o040 } else { 0 };
    mode & exposed & !may_read != 0
}

/// Makes a file of mode 0600 with this content, whole or not at all, and keeps one that exists already (also one that
/// another process makes at the same moment). Missing folders are made with mode 0700. Says whether it made the file.
///
/// # Errors
/// [`PrivateFileError::Unwritable`].
pub fn create(path: &Path, content: &[u8]) -> Result<bool, PrivateFileError> {
    create_new(path, content).map_err(|source| PrivateFileError::Unwritable { path: path.to_owned(), source })
}

/// Makes an empty file of mode 0600 for somebody else to write, where there is none; one that exists keeps its mode. Missing
/// folders are made with mode 0700.
///
/// # Errors
/// [`PrivateFileError::Unwritable`].
pub fn make_room(path: &Path) -> Result<(), PrivateFileError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder_of(path)).and_then(|()| {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    });
    made.map_err(|source| PrivateFileError::Unwritable { path: path.to_owned(), source })
}

fn create_new(path: &Path, content: &[u8]) -> io::Result<bool> {
    let folder = folder_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if path.exists() {
        return Ok(false);
    }
    let draft = draft_beside(path)?;
    let written = write_draft(&draft, content).and_then(|()| {
        // A hard link, unlike a rename, never replaces what is there.
        match std::fs::hard_link(&draft, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    });
    // Where nothing could be written there is none, and why is said already.
    let removed = std::fs::remove_file(&draft);
    let made = written?;
    removed?;
    File::open(folder)?.sync_all()?;
    Ok(made)
}

/// Puts a file of mode 0600 with this content in the place of what is there, whole or not at all. Missing folders are made
/// with mode 0700.
///
/// # Errors
/// [`PrivateFileError::Unwritable`].
pub fn replace(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    replace_whole(path, content).map_err(|source| PrivateFileError::Unwritable { path: path.to_owned(), source })
}

fn replace_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = draft_beside(path)?;
    let replaced = write_draft(&draft, content).and_then(|()| std::fs::rename(&draft, path));
    if let Err(error) = replaced {
        // There may be none, for the same reason.
        let _ = std::fs::remove_file(&draft);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn draft_beside(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0_u8; 8];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("the operating system gives no random bytes"))?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{:016x}", u64::from_ne_bytes(random)));
    Ok(path.with_file_name(name))
}

fn write_draft(draft: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn room_is_made_for_a_file_that_is_private_and_never_where_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/store.db");
        make_room(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(folder.path().join("deep").metadata().unwrap().mode() & 0o777, 0o700);
        std::fs::write(&path, b"rows").unwrap();
        make_room(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"rows");
        let refused = make_room(&path.join("below")).unwrap_err();
        assert!(
            refused.to_string().starts_with(&format!("cannot write {}", path.join("below").display())),
            "{refused}"
        );
    }

    #[test]
    fn a_made_file_is_private_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/keys");
        assert!(create(&path, b"secret").unwrap());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().as_slice(), b"secret");
        let beside = path.parent().unwrap().read_dir().unwrap().count();
        assert_eq!(beside, 1, "the draft is gone");
    }

    #[test]
    fn an_existing_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        create(&path, b"first").unwrap();
        assert!(!create(&path, b"second").unwrap());
        assert_eq!(read(&path).unwrap().as_slice(), b"first");
    }

    #[test]
    fn a_replaced_file_is_private_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        replace(&path, b"first").unwrap();
        replace(&path, b"second").unwrap();
        assert_eq!(read(&path).unwrap().as_slice(), b"second");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1, "the drafts are gone");
        std::fs::create_dir(folder.path().join("a-folder")).unwrap();
        assert!(replace(&folder.path().join("a-folder"), b"third").is_err());
        assert_eq!(folder.path().read_dir().unwrap().count(), 2, "the draft is gone");
    }

    #[test]
    fn of_many_who_create_at_once_one_wins_and_all_read_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let made: usize = std::thread::scope(|scope| {
            let creators: Vec<_> = (0..8_u8)
                .map(|content| {
                    let path = &path;
                    scope.spawn(move || create(path, &[content; 64]).unwrap())
                })
                .collect();
            let won = creators.into_iter().map(|creator| creator.join().unwrap());
            won.filter(|won| *won).count()
        });
        assert_eq!(made, 1);
        assert_eq!(read(&path).unwrap().len(), 64);
    }

    #[test]
    fn only_the_group_of_a_file_of_root_may_read_it() {
        let exposed = |mode, owner| is_exposed(mode, 0o077, owner);
        assert!(!exposed(0o600, 1000) && !exposed(0o400, ROOT) && !exposed(0o440, ROOT));
        assert!(exposed(0o440, 1000), "the group of a user");
        for mode in [0o460, 0o444, 0o644, 0o602] {
            assert!(exposed(mode, ROOT), "{mode:o}");
        }
    }

    #[test]
    fn a_file_open_to_others_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        create(&path, b"secret").unwrap();
        for mode in [0o604, 0o660, 0o777] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("mode {mode:o}")), "{error}");
            assert!(error.ends_with(&format!("run: chmod 600 {}", path.display())), "{error}");
        }
    }
}
