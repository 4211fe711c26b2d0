//! Reports that come before the message is known by the vendor's id.

use switchboard_dispatcher::{
    message::{EventKind, Message, Status},
    store::{StatusOutcome, StatusUpdate, Written},
};
use switchboard_providers::model::ReportedStatus::{Delivered, Sent};

use crate::store::{
    build::{accepted, commit, kinds, message, record, report, report_for, reported, stored, tell},
    harness::Engine,
};

fn settled(written: &Written) -> &Message {
    match written {
        Written::Settled { message, .. } => message,
        _ => panic!("not settled"),
    }
}

pub async fn a_callback_that_overtakes_the_answer_is_applied_with_it(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    assert_eq!(tell(&*store, report("v1", Delivered, 1)).await, (StatusOutcome::Parked, None));
    let written = commit(&*store, accepted("m1", "v1", 2)).await;
    assert_eq!(settled(&written).state.status(), Status::Delivered, "the caller is told at once");
    let message = stored(&*store, "m1").await;
    assert_eq!(message.state.status(), Status::Delivered);
    assert_eq!(kinds(&message), [EventKind::Recorded, EventKind::Accepted, EventKind::Reported]);
    assert_eq!((message.due_time, engine.rows("parked_updates").await), (None, 0));
}

pub async fn a_callback_with_our_reference_is_applied_before_the_answer(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    let early = tell(&*store, report_for("m1", "v1", Delivered, 1)).await;
    assert_eq!(early, (StatusOutcome::Applied, Some(Status::Delivered)));
    let written = commit(&*store, accepted("m1", "v1", 2)).await;
    assert_eq!(settled(&written).state.status(), Status::Delivered, "the answer does not take it back");
    let message = stored(&*store, "m1").await;
    assert_eq!(message.state.receipt().map(|receipt| receipt.provider_message_id.as_str()), Some("v1"));
}

pub async fn several_parked_reports_end_as_if_they_had_come_in_order(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    let early = vec![reported(report("v1", Delivered, 3)), reported(report("v1", Sent, 2))];
    store.commit(early).await.unwrap();
    commit(&*store, accepted("m1", "v1", 4)).await;
    let message = stored(&*store, "m1").await;
    assert_eq!((message.state.status(), message.events.len()), (Status::Delivered, 4));
    assert_eq!(engine.rows("parked_updates").await, 0);
}

pub async fn a_parked_event_that_comes_again_is_a_duplicate_before_and_after(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    let event = report("v1", Delivered, 1);
    let twice = store.commit(vec![reported(event.clone()), reported(event.clone())]).await.unwrap();
    assert!(matches!(twice[1], Written::Reported { outcome: StatusOutcome::Duplicate, .. }));
    assert_eq!(tell(&*store, event.clone()).await.0, StatusOutcome::Duplicate);
    commit(&*store, accepted("m1", "v1", 2)).await;
    let before = stored(&*store, "m1").await.events;
    assert_eq!(tell(&*store, event).await, (StatusOutcome::Duplicate, Some(Status::Delivered)));
    assert_eq!(stored(&*store, "m1").await.events, before);
}

pub async fn a_report_and_the_answer_in_one_batch_meet(engine: impl Engine) {
    let store = engine.open().await;
    store.commit(vec![record(message("m1")), record(message("m2"))]).await.unwrap();
    let report_first = vec![reported(report("v1", Delivered, 1)), accepted("m1", "v1", 2)];
    let answer_first = vec![accepted("m2", "v2", 2), reported(report("v2", Delivered, 1))];
    store.commit(report_first).await.unwrap();
    store.commit(answer_first).await.unwrap();
    for id in ["m1", "m2"] {
        assert_eq!(stored(&*store, id).await.state.status(), Status::Delivered, "{id}");
    }
    assert_eq!(engine.rows("parked_updates").await, 0);
    assert_eq!(tell(&*store, report("v1", Delivered, 1)).await.0, StatusOutcome::Duplicate);
}

pub async fn a_report_is_parked_across_a_restart(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    tell(&*store, report("v1", Delivered, 1)).await;
    drop(store);
    let reopened = engine.open().await;
    commit(&*reopened, accepted("m1", "v1", 2)).await;
    assert_eq!(stored(&*reopened, "m1").await.state.status(), Status::Delivered);
}

/// The send itself is in doubt and never answered: the message learns the vendor's id from a report.
pub async fn a_parked_report_meets_a_message_known_by_another_report(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    assert_eq!(tell(&*store, report("v1", Delivered, 2)).await.0, StatusOutcome::Parked);
    assert_eq!(tell(&*store, report_for("m1", "v1", Sent, 1)).await.0, StatusOutcome::Applied);
    assert_eq!(stored(&*store, "m1").await.state.status(), Status::Delivered);
    assert_eq!(engine.rows("parked_updates").await, 0);
}

pub async fn a_parked_report_of_another_account_is_never_applied(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    let forged = StatusUpdate { provider_account: "svc-evil".to_owned(), ..report("v1", Delivered, 1) };
    assert_eq!(tell(&*store, forged).await.0, StatusOutcome::Parked);
    commit(&*store, accepted("m1", "v1", 2)).await;
    assert_eq!(stored(&*store, "m1").await.state.status(), Status::Queued);
    assert_eq!(tell(&*store, report("v1", Delivered, 1)).await, (StatusOutcome::Applied, Some(Status::Delivered)));
}

pub async fn a_parked_report_that_names_another_message_is_not_applied(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    for theirs in ["v1", ""] {
        let strange = report_for("somebody else's", theirs, Delivered, 1);
        assert_eq!(tell(&*store, strange).await, (StatusOutcome::Parked, None));
    }
    let without_id = StatusUpdate { event_key: "by reference".to_owned(), ..report_for("m1", "", Sent, 2) };
    assert_eq!(tell(&*store, without_id).await, (StatusOutcome::Applied, Some(Status::Sent)));
    commit(&*store, accepted("m1", "v1", 3)).await;
    assert_eq!(stored(&*store, "m1").await.state.status(), Status::Sent);
}
