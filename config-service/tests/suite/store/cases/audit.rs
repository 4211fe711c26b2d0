use std::{collections::BTreeSet, sync::Arc};

use futures::future::join_all;
use switchboard_config_service::{
    audit::{EventFilter, ORIGIN, SignedHead, Trail, Verdict, link},
    routing::Routing,
    store::StoreError,
};
use switchboard_runtime::SystemClock;

use crate::store::harness::{Engine, Kind};

fn trail(engine: &Engine) -> Trail {
    Trail::new(Arc::clone(&engine.store), engine.keys.clone(), SystemClock::shared())
}

async fn verify(engine: &Engine, known: Option<&SignedHead>) -> Verdict {
    trail(engine).verify(known).await.unwrap()
}

pub async fn the_chain_holds_under_concurrent_writers_of_two_replicas(engine: &Engine) {
    let other = engine.replica().await;
    let writers = (0..24).map(|number| {
        let store = if number % 2 == 0 { &engine.store } else { &other };
        async move {
            if number % 3 == 0 {
                store.record(vec![engine.draft("Denied", ""), engine.draft("Denied", "")]).await.unwrap();
            } else {
                engine.found(store.as_ref(), &format!("org-{number}"), "Acme").await.unwrap();
            }
        }
    });
    join_all(writers).await;
    let events = engine.store.events_after(0, 1_000).await.unwrap();
    let mut before = ORIGIN;
    for (expected, event) in (1..).zip(&events) {
        assert_eq!(event.sequence, expected);
        assert_eq!(event.hash, link(&before, event.sequence, event.revision, &event.what));
        before = event.hash;
    }
    let head = engine.store.audit_head().await.unwrap();
    assert_eq!((head.count, head.hash), (1 + 16 + 16, before));
    assert_eq!(verify(engine, None).await, Verdict { checked: head.count, broken: None });
}

pub async fn a_change_that_is_refused_leaves_no_event_and_no_revision(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    let before = (engine.store.position().await.unwrap(), engine.store.audit_head().await.unwrap());
    let refused = engine.found(engine.store.as_ref(), "acme", "Acme").await;
    assert!(matches!(refused, Err(StoreError::OrganizationExists { .. })));
    let refused = engine.rename(engine.store.as_ref(), "acme", "Another", 9).await;
    assert!(matches!(refused, Err(StoreError::VersionConflict { current: 1 })));
    assert_eq!((engine.store.position().await.unwrap(), engine.store.audit_head().await.unwrap()), before);
    let events = engine.store.events_after(0, 100).await.unwrap();
    let with_revision = events.iter().filter(|event| event.revision > 0).count();
    let changes = engine.store.changes_after(0, 100).await.unwrap();
    assert_eq!(with_revision, changes.len(), "every revision has its event");
}

pub async fn without_its_event_no_change_is_committed(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    engine.add("acme", "kept", "x").await;
    let state = async || {
        let (entry, position) = engine.store.entry("acme").await.unwrap();
        (entry.unwrap(), position, engine.store.audit_head().await.unwrap(), engine.store.standing().await.unwrap())
    };
    let before = state().await;
    let no_more_events = match engine.kind {
        Kind::Sqlite => {
            "CREATE TRIGGER no_more_events BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'no more'); END"
        }
        Kind::Postgres => "ALTER TABLE audit_events ADD CONSTRAINT no_more_events CHECK (false) NOT VALID",
    };
    engine.raw(no_more_events).await.unwrap();
    let (store, change) = (&engine.store, || engine.change("Anything", "acme"));
    let routing = Routing { primary: "kept".to_owned(), ..Routing::default() };
    let refusals = [
        engine.found(store.as_ref(), "another", "Another").await.err(),
        engine.rename(store.as_ref(), "acme", "Another", 1).await.err(),
        store.add_config(&engine.sealed("acme", "another", 1, "y"), change()).await.err(),
        store.replace_config(&engine.sealed("acme", "kept", 2, "y"), change()).await.err(),
        store.remove_config("acme", "kept", 1, "Acme", change()).await.err(),
        store.route("acme", &routing, change()).await.err(),
        store.raise_key_floor(9, engine.draft("RotateKeys", "")).await.err(),
        store.begin_epoch("epoch-1", "epoch-2", engine.draft("BeginEpoch", "")).await.err(),
        store.record(vec![engine.draft("TestConnection", "acme")]).await.err(),
    ];
    for (index, refused) in refusals.into_iter().enumerate() {
        assert!(matches!(refused, Some(StoreError::Unavailable(_))), "{index}: {refused:?}");
    }
    assert_eq!(state().await, before);
    assert_eq!(store.organization("another").await.unwrap(), None);
}

pub async fn events_are_found_by_organisation_actor_action_and_time(engine: &Engine) {
    for organization in ["acme", "other"] {
        for (action, actor) in [("UpdateRouting", "kim"), ("TestConnection", "lee")] {
            let mut draft = engine.draft(action, organization);
            actor.clone_into(&mut draft.actor);
            engine.store.record(vec![draft]).await.unwrap();
        }
    }
    let all = engine.store.events_after(0, 100).await.unwrap();
    let find = async |filter: EventFilter| {
        let found = engine.store.events(&filter, None, 100).await.unwrap();
        found.into_iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    let everything = find(EventFilter::default()).await;
    assert_eq!(everything, [5, 4, 3, 2, 1], "the newest first");
    assert_eq!(find(EventFilter { organization_id: "acme".to_owned(), ..EventFilter::default() }).await, [3, 2]);
    assert_eq!(find(EventFilter { actor: "lee".to_owned(), ..EventFilter::default() }).await, [5, 3]);
    let both = EventFilter { action: "UpdateRouting".to_owned(), actor: "kim".to_owned(), ..EventFilter::default() };
    assert_eq!(find(both).await, [4, 2]);
    let (from, until) = (Some(all[1].what.at), Some(all[3].what.at));
    assert_eq!(find(EventFilter { from, until, ..EventFilter::default() }).await, [3, 2]);
    let within = Some(BTreeSet::from(["other".to_owned()]));
    assert_eq!(find(EventFilter { within, ..EventFilter::default() }).await, [5, 4]);
    let page = engine.store.events(&EventFilter::default(), Some(4), 2).await.unwrap();
    assert_eq!(page.iter().map(|event| event.sequence).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(page[0], all[2]);
}

pub async fn the_table_refuses_update_and_delete(engine: &Engine) {
    let mut statements = vec!["UPDATE audit_events SET actor = 'nobody'", "DELETE FROM audit_events"];
    if engine.kind == Kind::Postgres {
        statements.push("TRUNCATE audit_events");
    }
    for statement in statements {
        let refused = engine.raw(statement).await.unwrap_err().to_string();
        assert!(refused.contains("never"), "{statement}: {refused}");
    }
    assert_eq!(verify(engine, None).await.broken, None);
}

/// Runs a statement on the audit trail with what protects it out of the way, as somebody could who owns the database.
async fn tamper(engine: &Engine, statement: &str) {
    let sql = match engine.kind {
        Kind::Sqlite => format!(
            "DROP TRIGGER IF EXISTS audit_events_are_not_updated; DROP TRIGGER IF EXISTS audit_events_are_not_deleted;
             {statement}"
        ),
        Kind::Postgres => format!("ALTER TABLE audit_events DISABLE TRIGGER ALL; {statement}"),
    };
    engine.raw(&sql).await.unwrap();
}

pub async fn verification_names_the_first_event_that_was_altered_removed_or_cut_off(engine: &Engine) {
    for number in 0..9 {
        engine.organization(&format!("org-{number}"), "Acme").await;
    }
    assert_eq!(verify(engine, None).await, Verdict { checked: 10, broken: None });
    for (statement, first, what) in [
        ("DELETE FROM audit_events WHERE sequence = 10", 10, "ends at event 9"),
        ("UPDATE audit_events SET actor = 'nobody' WHERE sequence = 8", 8, "not what was written"),
        ("DELETE FROM audit_events WHERE sequence = 6", 6, "is missing"),
        ("UPDATE audit_events SET outcome = 'OK ' WHERE sequence = 2", 2, "not what was written"),
        ("DELETE FROM audit_events WHERE sequence = 1", 1, "is missing"),
    ] {
        tamper(engine, statement).await;
        let (sequence, why) = verify(engine, None).await.broken.unwrap();
        assert_eq!(sequence, first, "{statement}");
        assert!(why.contains(what), "{statement}: {why}");
    }
}

pub async fn a_known_head_shows_a_trail_that_was_rewritten(engine: &Engine) {
    for number in 0..4 {
        engine.organization(&format!("org-{number}"), "Acme").await;
    }
    let kept = trail(engine).head().await.unwrap();
    engine.organization("later", "Acme").await;
    assert_eq!(verify(engine, Some(&kept)).await.broken, None);
    let forged = SignedHead { signature: vec![0; 32], ..kept.clone() };
    assert!(verify(engine, Some(&forged)).await.broken.unwrap().1.contains("not signed by this system"));

    // Somebody who owns the database rewrites event 4 and every hash after it, and the kept end of the chain with it.
    let events = engine.store.events_after(0, 100).await.unwrap();
    let mut before = events[2].hash;
    let mut statements = Vec::new();
    for event in &events[3..] {
        let mut what = event.what.clone();
        if event.sequence == 4 {
            "nobody".clone_into(&mut what.actor);
        }
        before = link(&before, event.sequence, event.revision, &what);
        let hash: String = before.iter().map(|byte| format!("{byte:02x}")).collect();
        let hash = match engine.kind {
            Kind::Sqlite => format!("x'{hash}'"),
            Kind::Postgres => format!("'\\x{hash}'"),
        };
        statements.push(format!(
            "UPDATE audit_events SET actor = '{}', hash = {hash} WHERE sequence = {};
             UPDATE meta SET audit_hash = {hash};",
            what.actor, event.sequence
        ));
    }
    tamper(engine, &statements.join(" ")).await;
    assert_eq!(verify(engine, None).await.broken, None, "the chain alone cannot show it");
    let (sequence, why) = verify(engine, Some(&kept)).await.broken.unwrap();
    assert_eq!(sequence, kept.head.count);
    assert!(why.contains("known head"), "{why}");
}
