use chrono::DateTime;
use switchboard_config_service::{
    provider_configs::FieldState,
    routing::{Canary, Routing},
    store::StoreError,
};

use crate::store::harness::Engine;

fn state(key: &str, shown: &str) -> FieldState {
    FieldState {
        key: key.to_owned(),
        shown: shown.to_owned(),
        set_at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
        previous_expires_at: None,
    }
}

pub async fn a_config_is_added_replaced_and_read_back(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    assert_eq!(engine.store.last_config_version("acme", "cloudmsg").await.unwrap(), 0);
    let mut config = engine.sealed("acme", "cloudmsg", 1, "first");
    let expiry = DateTime::from_timestamp_micros(1_800_000_000_000_000);
    config.fields = vec![state("account", "svc-1"), FieldState { previous_expires_at: expiry, ..state("secret", "") }];
    let added = engine.store.add_config(&config, engine.change("Create", "acme")).await.unwrap();
    assert_eq!((added.value.version, added.value.active, added.value.account.as_str()), (1, false, "account-1"));
    assert_eq!(added.value.fields, config.fields);
    let again = engine.store.add_config(&config, engine.change("Create", "acme")).await;
    assert!(matches!(again, Err(StoreError::ConfigExists { .. })));

    let config = engine.sealed("acme", "cloudmsg", 2, "second");
    let replaced = engine.store.replace_config(&config, engine.change("Update", "acme")).await.unwrap();
    assert_eq!((replaced.value.version, replaced.value.account.as_str()), (2, "account-2"));
    assert_eq!(replaced.value.created_at, added.value.created_at);
    assert!(replaced.value.updated_at > added.value.updated_at);
    assert_eq!(replaced.revision, added.revision + 1);
    assert_eq!(engine.secret("acme", "cloudmsg").await, "second");
    engine.add("acme", "another", "third").await;
    let stored = engine.store.configs("acme").await.unwrap();
    assert_eq!(stored.iter().map(|one| one.config.provider.as_str()).collect::<Vec<_>>(), ["another", "cloudmsg"]);
    assert_eq!(engine.store.config("acme", "sendtalk").await.unwrap(), None);
}

pub async fn an_outdated_or_missing_config_is_not_replaced(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    let change = || engine.change("Update", "acme");
    let missing = engine.store.replace_config(&engine.sealed("acme", "cloudmsg", 2, "x"), change()).await;
    assert!(matches!(missing, Err(StoreError::ConfigNotFound { .. })));
    let nowhere = engine.store.add_config(&engine.sealed("nowhere", "cloudmsg", 1, "x"), change()).await;
    assert!(matches!(nowhere, Err(StoreError::OrganizationNotFound { .. })));
    engine.add("acme", "cloudmsg", "kept").await;
    let outdated = engine.store.replace_config(&engine.sealed("acme", "cloudmsg", 1, "x"), change()).await;
    assert!(matches!(outdated, Err(StoreError::VersionConflict { current: 1 })));
    assert_eq!(engine.secret("acme", "cloudmsg").await, "kept");
}

pub async fn activating_switches_the_routing_in_the_same_change_and_tells_the_audit_trail(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    engine.add("acme", "cloudmsg", "x").await;
    let routing = Routing { primary: "cloudmsg".to_owned(), ..Routing::default() };
    engine.store.route("acme", &routing, engine.change("UpdateRouting", "acme")).await.unwrap();
    let mut config = engine.sealed("acme", "sendtalk", 1, "y");
    config.activate = true;
    let added = engine.store.add_config(&config, engine.change("Create", "acme")).await.unwrap();
    assert!(added.value.active);
    let routing = engine.store.routing("acme").await.unwrap().unwrap();
    assert_eq!((routing.primary.as_str(), routing.version), ("sendtalk", 2));
    assert_eq!(engine.store.position().await.unwrap().revision, added.revision);
    let event = engine.store.events_after(0, 100).await.unwrap().pop().unwrap();
    assert_eq!(event.revision, added.revision);
    let switched = event.what.changes.iter().find(|change| change.field == "routing.primary").unwrap();
    assert_eq!((switched.before.as_str(), switched.after.as_str()), ("cloudmsg", "sendtalk"));
    // Active already: nothing switches, and the routing keeps its version.
    let mut config = engine.sealed("acme", "sendtalk", 2, "z");
    config.activate = true;
    engine.store.replace_config(&config, engine.change("Update", "acme")).await.unwrap();
    assert_eq!(engine.store.routing("acme").await.unwrap().unwrap().version, 2);
}

pub async fn a_removed_config_leaves_its_version_behind(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    engine.add("acme", "cloudmsg", "x").await;
    let removed = engine.store.remove_config("acme", "cloudmsg", 1, "Acme", engine.change("Delete", "acme")).await;
    assert!(removed.unwrap().revision > 0);
    assert_eq!(engine.store.config("acme", "cloudmsg").await.unwrap(), None);
    assert_eq!(engine.store.last_config_version("acme", "cloudmsg").await.unwrap(), 1);
    let again = engine.store.add_config(&engine.sealed("acme", "cloudmsg", 1, "x"), engine.change("C", "acme")).await;
    assert!(matches!(again, Err(StoreError::VersionConflict { current: 1 })));
    engine.store.add_config(&engine.sealed("acme", "cloudmsg", 2, "x"), engine.change("C", "acme")).await.unwrap();
    let change = engine.change("Delete", "acme");
    engine.store.remove_config("acme", "cloudmsg", 2, "Acme", change).await.unwrap();
    assert_eq!(engine.store.last_config_version("acme", "cloudmsg").await.unwrap(), 2);
}

pub async fn a_config_is_removed_only_with_the_name_and_when_nothing_names_it(engine: &Engine) {
    engine.organization("acme", "서울 의원").await;
    for provider in ["a", "b", "c"] {
        engine.add("acme", provider, "x").await;
    }
    let routing = Routing {
        primary: "a".to_owned(),
        failover: vec!["b".to_owned()],
        canary: Some(Canary { provider: "c".to_owned(), percent: 1 }),
        ..Routing::default()
    };
    engine.store.route("acme", &routing, engine.change("UpdateRouting", "acme")).await.unwrap();
    let remove = async |provider: &str, version, name: &str| {
        engine.store.remove_config("acme", provider, version, name, engine.change("Delete", "acme")).await
    };
    for (provider, field) in [("a", "routing.primary"), ("b", "routing.failover"), ("c", "routing.canary")] {
        let Err(StoreError::ConfigInUse { uses, .. }) = remove(provider, 1, "서울 의원").await else { panic!() };
        assert_eq!(uses, [field]);
        assert!(matches!(remove(provider, 1, "서울").await, Err(StoreError::ConfirmationMismatch)));
        assert!(matches!(remove(provider, 2, "서울 의원").await, Err(StoreError::VersionConflict { current: 1 })));
    }
    assert!(matches!(remove("d", 1, "서울 의원").await, Err(StoreError::ConfigNotFound { .. })));
    assert_eq!(engine.store.configs("acme").await.unwrap().len(), 3);
}

pub async fn what_a_superseded_key_has_sealed_is_refused(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    engine.store.raise_key_floor(2, engine.draft("RotateKeys", "")).await.unwrap();
    let config = engine.sealed("acme", "cloudmsg", 1, "x");
    let refused = engine.store.add_config(&config, engine.change("Create", "acme")).await;
    assert!(matches!(refused, Err(StoreError::KeyOutdated { floor: 2 })));
    engine.store.raise_key_floor(1, engine.draft("RotateKeys", "")).await.unwrap();
    let refused = engine.store.replace_config(&config, engine.change("Update", "acme")).await;
    assert!(matches!(refused, Err(StoreError::KeyOutdated { floor: 2 })), "the floor never goes down");
}
