use std::collections::BTreeMap;

use chrono::TimeDelta;
use futures::future::join_all;
use switchboard_config_service::{
    organizations::DEFAULT,
    routing::Routing,
    store::{SnapshotScope, Store},
};

use crate::store::harness::Engine;

pub async fn revisions_have_no_gaps_under_concurrent_writers_of_two_replicas(engine: &Engine) {
    let other = engine.replica().await;
    let start = engine.store.position().await.unwrap().revision;
    let stores = [engine.store.as_ref(), other.as_ref()];
    let writers = (0..40).map(|number| {
        let store: &dyn Store = stores[number % 2];
        async move {
            let id = format!("org-{}", number % 30);
            engine.found(store, &id, "Acme").await.ok()
        }
    });
    let reader = async {
        // A reader that follows sees each revision exactly once, in order, while they are written.
        let mut at = start;
        while at < start + 30 {
            for change in engine.store.changes_after(at, 7).await.unwrap() {
                assert_eq!(change.revision, at + 1);
                at = change.revision;
            }
        }
    };
    let (made, ()) = tokio::join!(join_all(writers), reader);
    let mut revisions: Vec<_> = made.into_iter().flatten().collect();
    revisions.sort_unstable();
    assert_eq!(revisions, (start + 1..=start + 30).collect::<Vec<_>>());
    assert_eq!(other.position().await.unwrap().revision, start + 30);
}

pub async fn an_entry_holds_everything_of_an_organisation_as_of_one_moment(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    let (entry, _) = engine.store.entry("acme").await.unwrap();
    let entry = entry.unwrap();
    assert_eq!((entry.routing, entry.configs.len()), (Routing::default(), 0));
    engine.add("acme", "b", "x").await;
    let mut config = engine.sealed("acme", "a", 1, "y");
    config.activate = true;
    let added = engine.store.add_config(&config, engine.change("Create", "acme")).await.unwrap();
    engine.organization("later", "Acme").await;
    let (entry, position) = engine.store.entry("acme").await.unwrap();
    let entry = entry.unwrap();
    assert_eq!((entry.revision, position.revision), (added.revision, added.revision + 1));
    assert_eq!((entry.routing.primary.as_str(), entry.routing.version), ("a", 1));
    assert_eq!(entry.configs, engine.store.configs("acme").await.unwrap());
    let (nothing, position) = engine.store.entry("nowhere").await.unwrap();
    assert_eq!((nothing, position.epoch.as_str()), (None, "epoch-1"));
}

pub async fn a_snapshot_is_one_moment_while_others_write(engine: &Engine) {
    for number in 0..50 {
        engine.organization(&format!("org-{number:02}"), "Before").await;
    }
    let mut snapshot = engine.store.snapshot(SnapshotScope::All).await.unwrap();
    let position = snapshot.position().clone();
    let first = snapshot.next(10).await.unwrap();
    assert_eq!((first.len(), snapshot.count()), (10, 51));
    for number in (0..50).rev() {
        engine.rename(engine.store.as_ref(), &format!("org-{number:02}"), "After", 1).await.unwrap();
    }
    engine.organization("zzz", "New").await;
    let mut entries = first;
    loop {
        let page = snapshot.next(10).await.unwrap();
        if page.is_empty() {
            break;
        }
        entries.extend(page);
    }
    assert_eq!(entries.len(), 51);
    assert!(entries.is_sorted_by(|a, b| a.organization_id < b.organization_id));
    assert!(entries.iter().all(|entry| entry.revision <= position.revision));
}

pub async fn a_snapshot_for_gateways_holds_organisations_with_accounts_only(engine: &Engine) {
    for id in ["a", "b", "c"] {
        engine.organization(id, "Acme").await;
    }
    engine.add("a", "x", "1").await;
    engine.add("a", "y", "2").await;
    engine.add("c", "x", "3").await;
    let mut snapshot = engine.store.snapshot(SnapshotScope::WithAccounts).await.unwrap();
    assert_eq!(snapshot.count(), 2);
    let mut found = BTreeMap::new();
    loop {
        let page = snapshot.next(1).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|entry| (entry.organization_id, entry.configs.len())));
    }
    assert_eq!(found, BTreeMap::from([("a".to_owned(), 2), ("c".to_owned(), 1)]));
}

pub async fn changes_are_forgotten_by_age_and_the_position_says_so(engine: &Engine) {
    for number in 0..6 {
        engine.organization(&format!("org-{number}"), "Acme").await;
    }
    let changes = engine.store.changes_after(0, 100).await.unwrap();
    assert_eq!(engine.store.position().await.unwrap().retained_after, 0);
    let cutoff = changes[4].committed_at;
    assert_eq!(engine.store.forget_changes(cutoff, 3).await.unwrap(), 3);
    assert_eq!(engine.store.position().await.unwrap().retained_after, changes[2].revision);
    assert_eq!(engine.store.forget_changes(cutoff, 3).await.unwrap(), 1);
    assert_eq!(engine.store.forget_changes(cutoff, 3).await.unwrap(), 0);
    let position = engine.store.position().await.unwrap();
    assert_eq!((position.retained_after, position.revision), (changes[3].revision, changes[6].revision));
    assert_eq!(engine.store.changes_after(position.retained_after, 100).await.unwrap(), changes[4..]);
    assert_eq!(engine.store.forget_changes(cutoff + TimeDelta::days(1), 100).await.unwrap(), 3);
    assert_eq!(engine.store.position().await.unwrap().revision, position.revision, "the revision itself stays");
}

pub async fn an_epoch_ends_once_however_many_notice(engine: &Engine) {
    let other = engine.replica().await;
    let (a, b) = tokio::join!(
        engine.store.begin_epoch("epoch-1", "epoch-a", engine.draft("BeginEpoch", "")),
        other.begin_epoch("epoch-1", "epoch-b", engine.draft("BeginEpoch", "")),
    );
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a, b);
    assert!(["epoch-a", "epoch-b"].contains(&a.as_str()));
    assert_eq!(engine.store.position().await.unwrap().epoch, a);
    let events = engine.store.events_after(0, 100).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.what.action == "BeginEpoch").count(), 1);
}

pub async fn establishing_twice_changes_nothing(engine: &Engine) {
    let before = (engine.store.position().await.unwrap(), engine.store.audit_head().await.unwrap());
    let mut again = engine.establishment("another epoch");
    again.key_ring = "another ring".to_owned();
    let standing = engine.store.establish(&again).await.unwrap();
    assert_eq!(standing.key_ring, engine.keys.ring().fingerprint());
    assert_eq!((engine.store.position().await.unwrap(), engine.store.audit_head().await.unwrap()), before);
    assert!(engine.store.organization(DEFAULT).await.unwrap().is_some());
}
