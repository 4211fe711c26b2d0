//! Only the account that a message was sent through speaks for it.

use switchboard_dispatcher::{
    message::{Message, Settlement, Status},
    store::{StatusOutcome, StatusUpdate},
};
use switchboard_providers::model::{FailureCode, ReportedStatus::Delivered};

use crate::store::{
    build::{accepted, commit, failure, message, record, report, report_for, route, settle, stored, tell},
    harness::Engine,
};

pub async fn another_account_is_refused_and_does_not_use_up_the_event(engine: impl Engine) {
    let store = engine.open().await;
    store.commit(vec![record(message("m1")), accepted("m1", "v1", 1)]).await.unwrap();
    let before = stored(&*store, "m1").await.events;
    for event in [report_for("m1", "v1", Delivered, 2), report("v1", Delivered, 2)] {
        let forged = StatusUpdate { provider_account: "svc-evil".to_owned(), ..event };
        assert_eq!(tell(&*store, forged).await, (StatusOutcome::Foreign, None), "and nothing is told");
    }
    assert_eq!(stored(&*store, "m1").await.events, before);
    assert_eq!(engine.rows("event_keys").await, 0);
    let honest = tell(&*store, report_for("m1", "v1", Delivered, 2)).await;
    assert_eq!(honest, (StatusOutcome::Applied, Some(Status::Delivered)));
}

pub async fn another_vendor_cannot_speak_for_a_message(engine: impl Engine) {
    let store = engine.open().await;
    store.commit(vec![record(message("m1")), accepted("m1", "v1", 1)]).await.unwrap();
    let other = StatusUpdate { provider: "sendtalk".to_owned(), ..report_for("m1", "v1", Delivered, 2) };
    assert_eq!(tell(&*store, other).await.0, StatusOutcome::Foreign);
    let by_id = StatusUpdate { provider: "sendtalk".to_owned(), ..report("v1", Delivered, 2) };
    assert_eq!(tell(&*store, by_id).await.0, StatusOutcome::Parked, "an id means something to its vendor alone");
    assert_eq!(stored(&*store, "m1").await.state.status(), Status::Queued);
}

pub async fn organisations_that_share_an_account_name_are_kept_apart(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    let shared = Message { route: route("cloudmsg", "svc-acme", "default"), ..message("m2") };
    commit(&*store, record(shared)).await;
    let signed_by = |owners: &[&str], id: &str| StatusUpdate {
        organization_ids: owners.iter().map(|owner| (*owner).to_owned()).collect(),
        ..report_for(id, "", Delivered, 1)
    };
    assert_eq!(tell(&*store, signed_by(&["default"], "m1")).await.0, StatusOutcome::Foreign);
    assert_eq!(tell(&*store, signed_by(&["acme"], "m2")).await.0, StatusOutcome::Foreign);
    assert_eq!(tell(&*store, signed_by(&["evil", "acme"], "m1")).await.0, StatusOutcome::Applied);
    // The very same event key, for a message of the other owner: it is another event.
    assert_eq!(tell(&*store, signed_by(&["default"], "m2")).await.0, StatusOutcome::Applied);
}

pub async fn a_forged_parked_event_does_not_use_up_the_true_one(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    let forged = StatusUpdate { organization_ids: vec!["evil".to_owned()], ..report("v1", Delivered, 1) };
    assert_eq!(tell(&*store, forged).await.0, StatusOutcome::Parked);
    assert_eq!(tell(&*store, report("v1", Delivered, 1)).await.0, StatusOutcome::Parked, "not a duplicate of it");
    commit(&*store, accepted("m1", "v1", 2)).await;
    let message = stored(&*store, "m1").await;
    assert_eq!((message.state.status(), message.events.len()), (Status::Delivered, 3));
}

pub async fn after_a_failover_the_first_vendor_speaks_for_the_message_no_more(engine: impl Engine) {
    let store = engine.open().await;
    let other = route("sendtalk", "acct_acme", "acme");
    let failover =
        Settlement::Failover { route: other, sender: None, failure: failure(FailureCode::ProviderThrottled) };
    store.commit(vec![record(message("m1")), settle("m1", failover, 1), accepted("m1", "st1", 2)]).await.unwrap();
    assert_eq!(tell(&*store, report_for("m1", "v1", Delivered, 3)).await.0, StatusOutcome::Foreign);
    let second = StatusUpdate {
        provider: "sendtalk".to_owned(),
        provider_account: "acct_acme".to_owned(),
        ..report("st1", Delivered, 3)
    };
    assert_eq!(tell(&*store, second).await, (StatusOutcome::Applied, Some(Status::Delivered)));
}
