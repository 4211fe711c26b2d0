use switchboard_config_service::{
    routing::{Canary, Routing},
    store::StoreError,
};
use switchboard_providers::model::Channel;

use crate::store::harness::Engine;

pub async fn a_routing_is_replaced_by_version_and_read_back_whole(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    for provider in ["a", "b", "c"] {
        engine.add("acme", provider, "x").await;
    }
    assert_eq!(engine.store.routing("acme").await.unwrap(), Some(Routing::default()));
    assert_eq!(engine.store.routing("nowhere").await.unwrap(), None);
    let routing = Routing {
        primary: "a".to_owned(),
        overrides: vec![(Channel::Alimtalk, "b".to_owned()), (Channel::Sms, "c".to_owned())],
        failover: vec!["c".to_owned(), "b".to_owned()],
        canary: Some(Canary { provider: "b".to_owned(), percent: 5 }),
        ..Routing::default()
    };
    let change = engine.change("UpdateRouting", "acme");
    let at = change.event.at;
    let routed = engine.store.route("acme", &routing, change).await.unwrap();
    let expected = Routing { version: 1, updated_at: Some(at), ..routing.clone() };
    assert_eq!((&routed.value, engine.store.routing("acme").await.unwrap()), (&expected, Some(expected.clone())));
    assert_eq!(engine.store.organization("acme").await.unwrap().unwrap().provider, "a");
    let lost = engine.store.route("acme", &routing, engine.change("UpdateRouting", "acme")).await;
    assert!(matches!(lost, Err(StoreError::VersionConflict { current: 1 })));
    let nowhere = engine.store.route("nowhere", &routing, engine.change("UpdateRouting", "nowhere")).await;
    assert!(matches!(nowhere, Err(StoreError::OrganizationNotFound { .. })));
    let version = engine.store.organization("acme").await.unwrap().unwrap().version;
    assert_eq!(version, 1, "routing is not part of the organisation's version");
}

pub async fn a_routing_names_only_vendors_with_a_config(engine: &Engine) {
    engine.organization("acme", "Acme").await;
    engine.add("acme", "a", "x").await;
    let a = Routing { primary: "a".to_owned(), ..Routing::default() };
    for routing in [
        Routing { primary: "b".to_owned(), ..Routing::default() },
        Routing { overrides: vec![(Channel::Sms, "b".to_owned())], ..a.clone() },
        Routing { failover: vec!["b".to_owned()], ..a.clone() },
        Routing { canary: Some(Canary { provider: "b".to_owned(), percent: 1 }), ..a.clone() },
    ] {
        let refused = engine.store.route("acme", &routing, engine.change("UpdateRouting", "acme")).await;
        assert!(matches!(refused, Err(StoreError::ConfigNotFound { provider }) if provider == "b"));
    }
    assert_eq!(engine.store.routing("acme").await.unwrap().unwrap().version, 0);
}

pub async fn a_config_is_never_removed_while_it_is_being_routed_to(engine: &Engine) {
    let other = engine.replica().await;
    for round in 0..20 {
        let id = format!("org-{round}");
        engine.organization(&id, "Acme").await;
        engine.add(&id, "a", "x").await;
        let routing = Routing { primary: "a".to_owned(), ..Routing::default() };
        let (routed, removed) = tokio::join!(
            engine.store.route(&id, &routing, engine.change("UpdateRouting", &id)),
            other.remove_config(&id, "a", 1, "Acme", engine.change("DeleteProviderConfig", &id)),
        );
        assert!(routed.is_ok() != removed.is_ok(), "{routed:?} {removed:?}");
        let primary = engine.store.routing(&id).await.unwrap().unwrap().primary;
        assert_eq!(primary.is_empty(), removed.is_ok());
    }
}
