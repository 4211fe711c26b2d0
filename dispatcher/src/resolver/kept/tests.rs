//! Keeping and recalling, on both shelves.

use std::collections::BTreeSet;

use chrono::DateTime;
use ring::rand::{SecureRandom as _, SystemRandom};
use switchboard_proto::config::v1::ProviderAccount;
use switchboard_runtime::{Clock as _, ManualClock};

use super::*;

const MAX_STALE: Duration = Duration::from_secs(24 * 3600);
const CANARY: &str = "canary-5f0c1d2e";

/// A place for a snapshot of a key of its own.
struct Place {
    name: &'static str,
    shelf: Arc<dyn Shelf>,
    key: [u8; 32],
    clock: ManualClock,
    _folder: tempfile::TempDir,
}

impl Place {
    fn all() -> [Self; 2] {
        ["file", "redis"].map(|name| {
            let folder = tempfile::tempdir().unwrap();
            let mut key = [0; 32];
            SystemRandom::new().fill(&mut key).unwrap();
            let redis = std::env::var("SWITCHBOARD_TEST_REDIS_URL");
            let shelf: Arc<dyn Shelf> = match name {
                "file" => Arc::new(FileShelf::new(folder.path().join("kept"))),
                _ => {
                    let redis = redis.expect("run `make test`, which starts PostgreSQL and Redis");
                    Arc::new(RedisShelf::new(&redis, &SnapshotKey::new(&key).unwrap(), MAX_STALE).unwrap())
                }
            };
            let clock = ManualClock::at(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
            Self { name, shelf, key, clock, _folder: folder }
        })
    }

    /// A dispatcher that has just started.
    fn dispatcher(&self) -> Kept {
        self.dispatcher_with(&self.key)
    }

    fn dispatcher_with(&self, key: &[u8]) -> Kept {
        Kept::on(Arc::clone(&self.shelf), SnapshotKey::new(key).unwrap(), MAX_STALE, self.clock.shared())
    }
}

fn entry(id: &str, revision: i64) -> OrganizationEntry {
    let account = ProviderAccount {
        provider: "cloudmsg".to_owned(),
        credentials: [("secret_key".to_owned(), CANARY.to_owned())].into(),
        ..ProviderAccount::default()
    };
    OrganizationEntry {
        organization_id: id.to_owned(),
        revision,
        accounts: vec![account],
        ..OrganizationEntry::default()
    }
}

fn at(revision: i64) -> Position {
    Position { revision, epoch: "epoch-1".to_owned() }
}

fn ids(found: &[OrganizationEntry]) -> Vec<&str> {
    found.iter().map(|entry| entry.organization_id.as_str()).collect()
}

#[tokio::test]
async fn what_one_dispatcher_has_kept_another_recalls_with_its_age() {
    for place in Place::all() {
        assert!(place.dispatcher().recall().await.is_none(), "{}: nothing is there yet", place.name);
        let first = place.dispatcher();
        first.replaced(&[entry("a", 1), entry("b", 2)], &at(2));
        first.changed(&Change { revision: 3, organization_id: "c".to_owned(), entry: Some(entry("c", 3)) });
        first.changed(&Change { revision: 4, organization_id: "a".to_owned(), entry: None });
        first.save().await.unwrap();
        place.clock.advance(TimeDelta::hours(3));
        let (entries, recalled) = place.dispatcher().recall().await.unwrap();
        assert_eq!(ids(&entries), ["b", "c"], "{}", place.name);
        assert_eq!(entries[1], entry("c", 3));
        assert_eq!(recalled, Recalled { position: at(4), age: Duration::from_secs(3 * 3600), resumable: true });
    }
}

#[tokio::test]
async fn nothing_that_is_kept_can_be_read_without_the_key() {
    for place in Place::all() {
        let first = place.dispatcher();
        first.replaced(&[entry("a", 1)], &at(1));
        first.save().await.unwrap();
        let kept = place.shelf.take().await.unwrap().unwrap();
        let shows = |word: &str| kept.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!shows(CANARY) && !shows("secret_key") && !shows("cloudmsg"), "{}", place.name);
        assert!(place.dispatcher_with(&[7; 32]).recall().await.is_none(), "{}: another key opens it", place.name);
        assert!(place.dispatcher().recall().await.is_some());
    }
}

#[tokio::test]
async fn what_is_damaged_or_too_old_is_not_used() {
    for place in Place::all() {
        let first = place.dispatcher();
        first.replaced(&[entry("a", 1)], &at(1));
        first.save().await.unwrap();
        let mut kept = place.shelf.take().await.unwrap().unwrap();
        let last = kept.len() - 1;
        kept[last] ^= 1;
        let later = Label::new(at(1), place.clock.now() + TimeDelta::minutes(1));
        assert!(place.shelf.put(&later, kept).await.unwrap());
        assert!(place.dispatcher().recall().await.is_none(), "{}", place.name);
        let second = place.dispatcher();
        second.replaced(&[entry("a", 2)], &at(2));
        second.save().await.unwrap();
        assert!(place.dispatcher().recall().await.is_some(), "{}: a good one takes its place", place.name);
        place.clock.advance(TimeDelta::hours(24));
        assert!(place.dispatcher().recall().await.is_none(), "{}: it is past max_stale", place.name);
    }
}

#[tokio::test]
async fn of_many_that_keep_at_once_the_newest_stays() {
    for place in Place::all() {
        let dispatchers: Vec<_> = (1..=12)
            .map(|revision| {
                let dispatcher = place.dispatcher();
                dispatcher.replaced(&[entry("a", revision)], &at(revision));
                dispatcher
            })
            .collect();
        let saved = futures::future::join_all(dispatchers.iter().rev().map(Kept::save)).await;
        assert!(saved.iter().all(Result::is_ok), "{}: {saved:?}", place.name);
        let (_, recalled) = place.dispatcher().recall().await.unwrap();
        assert_eq!(recalled.position, at(12), "{}", place.name);
        // Another life of the store begins its revisions anew.
        let restored = place.dispatcher();
        restored.replaced(&[entry("z", 1)], &Position { revision: 1, epoch: "epoch-2".to_owned() });
        restored.save().await.unwrap();
        assert_eq!(ids(&place.dispatcher().recall().await.unwrap().0), ["z"], "{}", place.name);
    }
}

#[tokio::test]
async fn what_has_not_changed_is_confirmed_once_for_all_dispatchers() {
    for place in Place::all() {
        let dispatchers: Vec<_> = (0..3).map(|_| place.dispatcher()).collect();
        let mut kept = BTreeSet::new();
        for dispatcher in &dispatchers {
            dispatcher.replaced(&[entry("a", 1)], &at(1));
            dispatcher.save().await.unwrap();
            kept.insert(place.shelf.take().await.unwrap());
        }
        assert_eq!(kept.len(), 1, "{}: the second found it done", place.name);
        place.clock.advance(TimeDelta::minutes(10));
        dispatchers[0].save().await.unwrap();
        let (_, recalled) = place.dispatcher().recall().await.unwrap();
        assert_eq!(recalled.age, Duration::ZERO, "{}", place.name);
    }
}

#[tokio::test]
async fn a_shelf_that_is_not_there_holds_nothing_up() {
    let key = SnapshotKey::new(&[1; 32]).unwrap();
    let shelf = RedisShelf::new("redis://127.0.0.1:1", &key, MAX_STALE).unwrap();
    let clock = ManualClock::at(DateTime::UNIX_EPOCH).shared();
    let kept = Kept::in_redis(shelf, key, MAX_STALE, clock);
    assert!(kept.recall().await.is_none());
    kept.replaced(&[entry("a", 1)], &at(1));
    assert!(kept.save().await.is_err());
    assert!(kept.content().unsaved, "it is tried again");
}
