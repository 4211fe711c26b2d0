//! The images that CloudMsg already has: an upload is good for six days, and campaigns send the same image to many.
//!
//! Belongs to one account, since a file id does. Bounded: the one unused for longest goes first.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use ring::digest;

use crate::model::Image;

/// How long CloudMsg keeps a file (interface document, Images).
const KEPT: TimeDelta = TimeDelta::days(6);
/// How long before its end a file is uploaded anew: for messages that wait in CloudMsg's queue, and for clocks.
const MARGIN: TimeDelta = TimeDelta::hours(1);
/// Most images remembered for an account.
pub(super) const CAPACITY: usize = 256;

/// SHA-256 of an image.
pub(super) type Hash = [u8; 32];

/// File ids by image.
#[derive(Default)]
pub(super) struct Images(Mutex<Files>);

#[derive(Default)]
struct Files {
    by_hash: HashMap<Hash, File>,
    /// Grows with each use, which makes the smallest `used` the oldest.
    uses: u64,
}

struct File {
    id: String,
    expires: DateTime<Utc>,
    used: u64,
}

/// The hash by which an image is remembered.
pub(super) fn hash(image: &Image) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, image.data()).as_ref());
    hash
}

impl Images {
    /// The file id of an image, if it is still good.
    pub(super) fn get(&self, hash: &Hash, at: DateTime<Utc>) -> Option<String> {
        let mut files = self.lock();
        files.uses += 1;
        let uses = files.uses;
        let file = files.by_hash.get_mut(hash).filter(|file| at + MARGIN < file.expires)?;
        file.used = uses;
        Some(file.id.clone())
    }

    /// Remembers an upload made at `at`, until shortly before it ends.
    pub(super) fn put(&self, hash: Hash, id: String, expires: Option<DateTime<Utc>>, at: DateTime<Utc>) {
        let kept = at + KEPT;
        let expires = expires.map_or(kept, |told| told.min(kept));
        let mut files = self.lock();
        files.uses += 1;
        let used = files.uses;
        if files.by_hash.len() >= CAPACITY && !files.by_hash.contains_key(&hash) {
            let oldest = files.by_hash.iter().min_by_key(|(_, file)| file.used).map(|(hash, _)| *hash);
            oldest.map(|hash| files.by_hash.remove(&hash));
        }
        files.by_hash.insert(hash, File { id, expires, used });
    }

    /// Forgets an image whose file is gone.
    pub(super) fn forget(&self, hash: &Hash) {
        self.lock().by_hash.remove(hash);
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + hours * 3600, 0).unwrap()
    }

    #[test]
    fn a_file_is_used_until_an_hour_before_its_end() {
        let images = Images::default();
        images.put([1; 32], "file-1".to_owned(), None, at(0));
        assert_eq!(images.get(&[1; 32], at(6 * 24 - 2)).as_deref(), Some("file-1"));
        assert_eq!(images.get(&[1; 32], at(6 * 24 - 1)), None);
        images.put([2; 32], "file-2".to_owned(), Some(at(10)), at(0));
        assert_eq!(images.get(&[2; 32], at(8)).as_deref(), Some("file-2"));
        assert_eq!(images.get(&[2; 32], at(9)), None);
        assert_eq!(images.get(&[3; 32], at(0)), None);
    }

    #[test]
    fn the_one_unused_for_longest_goes_first() {
        let images = Images::default();
        let hash = |number: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            hash
        };
        for number in 0..CAPACITY {
            images.put(hash(number), number.to_string(), None, at(0));
        }
        assert_eq!(images.get(&hash(0), at(1)).as_deref(), Some("0"));
        images.put(hash(CAPACITY), "new".to_owned(), None, at(1));
        assert_eq!(images.get(&hash(0), at(1)).as_deref(), Some("0"));
        assert_eq!(images.get(&hash(1), at(1)), None);
        assert_eq!(images.get(&hash(CAPACITY), at(1)).as_deref(), Some("new"));
    }

    #[test]
    fn a_forgotten_image_is_uploaded_anew() {
        let images = Images::default();
        images.put([1; 32], "file-1".to_owned(), None, at(0));
        images.forget(&[1; 32]);
        assert_eq!(images.get(&[1; 32], at(0)), None);
    }
}
