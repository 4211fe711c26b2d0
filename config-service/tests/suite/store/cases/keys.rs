use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::DateTime;
use switchboard_config_service::{
    audit::Draft,
    sealing::{KeyRing, Keys, Rotation, RotationError, SealError, SealedRecord, rotate},
    store::{KeyStore, SealedRow, Standing, Store, StoreError},
};
use switchboard_runtime::SystemClock;

use crate::store::harness::{Engine, Kind};

async fn rotate_now<S: KeyStore + ?Sized>(engine: &Engine, store: &S) -> Result<Rotation, RotationError> {
    rotate(&engine.key_file(), store, &SystemClock::shared(), engine.draft("RotateKeys", "")).await
}

async fn filled(engine: &Engine, count: usize) {
    engine.organization("acme", "Acme").await;
    for number in 0..count {
        engine.add("acme", &format!("p{number:03}"), &format!("secret-{number}")).await;
    }
}

async fn all_open(engine: &Engine, count: usize) {
    for number in 0..count {
        assert_eq!(engine.secret("acme", &format!("p{number:03}")).await, format!("secret-{number}"));
    }
}

pub async fn a_rotation_rewraps_everything_and_retires_the_old_key(engine: &Engine) {
    filled(engine, 5).await;
    let before = engine.store.config("acme", "p000").await.unwrap().unwrap();
    let rotation = rotate_now(engine, engine.store.as_ref()).await.unwrap();
    assert_eq!(rotation, Rotation { current: 2, rewrapped: 5, resumed: false });
    assert_eq!(engine.store.key_versions().await.unwrap(), [2]);
    all_open(engine, 5).await;
    let after = engine.store.config("acme", "p000").await.unwrap().unwrap();
    assert_eq!((after.config, after.sealed.data), (before.config.clone(), before.sealed.data.clone()));
    // What a backup of before holds is refused by name, not as if it were damaged.
    let ring = Keys::load(&engine.key_file()).unwrap();
    let refused = ring.open(&before.binding(), &before.sealed).unwrap_err();
    assert!(matches!(refused, SealError::RetiredKey { version: 1, .. }));
    // A service that has the old ring in memory finds the new one by itself.
    let stored = engine.store.config("acme", "p001").await.unwrap().unwrap();
    assert!(engine.keys.open(&stored.binding(), &stored.sealed).is_ok());
    let event = engine.store.events_after(0, 100).await.unwrap().pop().unwrap();
    assert_eq!((event.what.action.as_str(), event.revision), ("RotateKeys", 0));
    assert_eq!(rotate_now(engine, engine.store.as_ref()).await.unwrap().current, 3);
    all_open(engine, 5).await;
}

/// A store that is killed after so many steps of a rotation.
struct Dying<'e> {
    store: &'e dyn Store,
    steps: AtomicU32,
}

impl Dying<'_> {
    fn step(&self) -> Result<(), StoreError> {
        let alive = self.steps.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        alive.map(|_| ()).map_err(|_| sqlx::Error::PoolClosed.into())
    }
}

// The lifetime makes it no `'static` store, which the trait wants: the tests leak theirs.
#[async_trait]
impl KeyStore for Dying<'static> {
    async fn raise_key_floor(&self, key_version: u32, event: Draft) -> Result<(), StoreError> {
        self.step()?;
        self.store.raise_key_floor(key_version, event).await
    }

    async fn standing(&self) -> Result<Option<Standing>, StoreError> {
        self.step()?;
        self.store.standing().await
    }

    async fn records_below(&self, key_version: u32, after: (&str, &str), _: u32) -> Result<Vec<SealedRow>, StoreError> {
        self.step()?;
        self.store.records_below(key_version, after, 2).await
    }

    async fn rewrap(&self, rows: &[(SealedRow, SealedRecord)]) -> Result<u64, StoreError> {
        self.step()?;
        self.store.rewrap(rows).await
    }

    async fn key_versions(&self) -> Result<Vec<u32>, StoreError> {
        self.store.key_versions().await
    }
}

pub async fn a_rotation_that_is_killed_at_any_batch_goes_on_and_no_record_is_ever_without_a_key(engine: &Engine) {
    filled(engine, 7).await;
    let store: &'static _ = Box::leak(Box::new(engine.replica().await));
    let mut key = 1;
    for steps in 0..14 {
        let dying = Dying { store: store.as_ref(), steps: AtomicU32::new(steps) };
        match rotate_now(engine, &dying).await {
            Ok(rotation) => key = rotation.current,
            Err(error) => assert!(matches!(error, RotationError::Store(_)), "{error}"),
        }
        all_open(engine, 7).await;
    }
    let last = rotate_now(engine, engine.store.as_ref()).await.unwrap();
    assert!(last.current >= key && engine.store.key_versions().await.unwrap() == [last.current]);
    all_open(engine, 7).await;
    let ring = KeyRing::load(&engine.key_file()).unwrap();
    assert_eq!(ring.superseded().count(), 0);
}

pub async fn what_is_saved_during_a_rotation_is_not_lost_to_it(engine: &Engine) {
    filled(engine, 3).await;
    // The rotation has read a record; before it puts it back, somebody saves another version of it.
    let rows = engine.store.records_below(2, ("", ""), 10).await.unwrap();
    let stale: Vec<_> = rows.into_iter().map(|row| (row.clone(), row.sealed)).collect();
    let newer = engine.sealed("acme", "p000", 2, "newer");
    engine.store.replace_config(&newer, engine.change("Update", "acme")).await.unwrap();
    assert_eq!(engine.store.rewrap(&stale).await.unwrap(), 2);
    assert_eq!(engine.secret("acme", "p000").await, "newer");
    rotate_now(engine, engine.store.as_ref()).await.unwrap();
    assert_eq!(engine.secret("acme", "p000").await, "newer");
}

pub async fn a_record_that_does_not_open_keeps_the_old_key_and_is_named(engine: &Engine) {
    filled(engine, 3).await;
    let zero = if engine.kind == Kind::Sqlite { "zeroblob(60)" } else { "decode(repeat('00', 60), 'hex')" };
    engine.raw(&format!("UPDATE provider_configs SET wrapped_key = {zero} WHERE provider = 'p001'")).await.unwrap();
    let error = rotate_now(engine, engine.store.as_ref()).await.unwrap_err();
    assert!(error.to_string().contains("acme/p001"), "{error}");
    assert!(matches!(error, RotationError::Broken { count: 1, .. }));
    assert_eq!(engine.store.key_versions().await.unwrap(), [1, 2]);
    for provider in ["p000", "p002"] {
        engine.secret("acme", provider).await;
    }
    assert!(KeyRing::load(&engine.key_file()).unwrap().usable(1).is_ok());
}

pub async fn a_ring_of_another_store_rotates_nothing(engine: &Engine) {
    filled(engine, 1).await;
    let foreign = engine.key_file().with_file_name("foreign.json");
    KeyRing::generate(&foreign, DateTime::UNIX_EPOCH).unwrap();
    let draft = engine.draft("RotateKeys", "");
    let refused = rotate(&foreign, engine.store.as_ref(), &SystemClock::shared(), draft).await.unwrap_err();
    assert!(matches!(refused, RotationError::Foreign(_)));
    assert_eq!(KeyRing::load(&foreign).unwrap().current(), 1);
    all_open(engine, 1).await;
}

pub async fn a_record_moved_to_another_row_does_not_open(engine: &Engine) {
    filled(engine, 2).await;
    engine
        .raw(
            "UPDATE provider_configs SET
                 sealed = (SELECT sealed FROM provider_configs WHERE provider = 'p001'),
                 wrapped_key = (SELECT wrapped_key FROM provider_configs WHERE provider = 'p001')
             WHERE provider = 'p000'",
        )
        .await
        .unwrap();
    let moved = engine.store.config("acme", "p000").await.unwrap().unwrap();
    let refused = engine.keys.open(&moved.binding(), &moved.sealed).unwrap_err();
    assert!(matches!(refused, SealError::Broken { .. }), "{refused}");
    assert!(refused.to_string().contains("acme/p000"), "{refused}");
    assert_eq!(engine.secret("acme", "p001").await, "secret-1");
}
