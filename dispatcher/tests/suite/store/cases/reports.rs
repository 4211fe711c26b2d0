//! What vendors report about messages that are known.

use switchboard_dispatcher::{
    message::{EventKind, Message, State, Status},
    store::{StatusOutcome, StatusUpdate, Store},
};
use switchboard_providers::model::ReportedStatus::{Delivered, Failed, Queued, Sent};

use crate::store::{
    build::{accepted, at, commit, kinds, message, outcome, record, report, report_for, reported, stored, tell},
    harness::Engine,
};

/// A message that the vendor has accepted as `v1`.
async fn with_accepted(engine: &impl Engine) -> std::sync::Arc<dyn Store> {
    let store = engine.open().await;
    store.commit(vec![record(message("m1")), accepted("m1", "v1", 1)]).await.unwrap();
    store
}

pub async fn a_report_moves_the_message(engine: impl Engine) {
    let store = with_accepted(&engine).await;
    assert_eq!(tell(&*store, report_for("m1", "v1", Sent, 2)).await, (StatusOutcome::Applied, Some(Status::Sent)));
    let delivered = tell(&*store, report_for("m1", "v1", Delivered, 3)).await;
    assert_eq!(delivered, (StatusOutcome::Applied, Some(Status::Delivered)));
    let message = stored(&*store, "m1").await;
    assert_eq!(message.state.result_time(), Some(at(3)), "by the vendor's clock");
    assert_eq!(kinds(&message)[2..], [EventKind::Reported, EventKind::Reported]);
}

pub async fn the_same_event_again_changes_nothing_for_ever(engine: impl Engine) {
    let store = with_accepted(&engine).await;
    let event = report_for("m1", "v1", Failed, 2);
    assert_eq!(tell(&*store, event.clone()).await, (StatusOutcome::Applied, Some(Status::Failed)));
    let before = stored(&*store, "m1").await.events;
    assert_eq!(tell(&*store, event.clone()).await, (StatusOutcome::Duplicate, Some(Status::Failed)));
    drop(store);
    let reopened = engine.open().await;
    let days_later = StatusUpdate { at: at(1_000_000), ..event };
    assert_eq!(tell(&*reopened, days_later).await, (StatusOutcome::Duplicate, Some(Status::Failed)));
    assert_eq!(stored(&*reopened, "m1").await.events, before);
}

pub async fn the_same_event_twice_in_one_batch_is_applied_once(engine: impl Engine) {
    let store = with_accepted(&engine).await;
    let event = || reported(report_for("m1", "v1", Sent, 2));
    let written = store.commit(vec![event(), event()]).await.unwrap();
    let outcomes: Vec<_> = written.iter().map(|written| outcome(written).0).collect();
    assert_eq!(outcomes, [StatusOutcome::Applied, StatusOutcome::Duplicate]);
    assert_eq!(stored(&*store, "m1").await.events.len(), 3);
}

pub async fn a_late_report_is_stale_and_only_noted(engine: impl Engine) {
    let store = with_accepted(&engine).await;
    tell(&*store, report_for("m1", "v1", Delivered, 5)).await;
    for (late, seconds) in [(Sent, 3), (Queued, 2), (Delivered, 6)] {
        let result = tell(&*store, report_for("m1", "v1", late, seconds)).await;
        assert_eq!(result, (StatusOutcome::Stale, Some(Status::Delivered)), "{late:?}");
    }
    let message = stored(&*store, "m1").await;
    assert_eq!(message.state.result_time(), Some(at(5)));
    assert_eq!(kinds(&message)[3..], [EventKind::Stale; 3]);
}

pub async fn a_second_final_result_is_a_conflict_and_the_first_stays(engine: impl Engine) {
    let store = with_accepted(&engine).await;
    tell(&*store, report_for("m1", "v1", Failed, 2)).await;
    let first = stored(&*store, "m1").await.state;
    let second = tell(&*store, report_for("m1", "v1", Delivered, 3)).await;
    assert_eq!(second, (StatusOutcome::Stale, Some(Status::Failed)));
    let message = stored(&*store, "m1").await;
    assert_eq!((message.state.clone(), kinds(&message).last()), (first, Some(&EventKind::Conflict)));
}

pub async fn a_word_that_nobody_knows_is_noted_and_changes_nothing(engine: impl Engine) {
    let store = with_accepted(&engine).await;
    let mut unknown = report_for("m1", "v1", Sent, 2);
    unknown.report.status = None;
    unknown.report.provider_status = "HANDED_OVER".to_owned();
    assert_eq!(tell(&*store, unknown).await, (StatusOutcome::Applied, Some(Status::Queued)));
    let message = stored(&*store, "m1").await;
    let note = message.events.last().unwrap();
    assert_eq!((note.kind, note.detail.as_str()), (EventKind::UnknownStatus, "HANDED_OVER"));
}

pub async fn an_event_that_moved_nothing_is_known_again(engine: impl Engine) {
    let mut unknown = report_for("m1", "v1", Sent, 2);
    unknown.report.status = None;
    let late = report_for("m1", "v1", Queued, 2);
    for (event, first) in [(unknown, StatusOutcome::Applied), (late, StatusOutcome::Stale)] {
        let message_id = format!("m-{first:?}");
        let event = StatusUpdate { client_reference: message_id.clone(), ..event };
        let store = engine.open().await;
        store.commit(vec![record(message(&message_id)), accepted(&message_id, "v1", 1)]).await.unwrap();
        assert_eq!(tell(&*store, event.clone()).await, (first, Some(Status::Queued)));
        assert_eq!(tell(&*store, event).await, (StatusOutcome::Duplicate, Some(Status::Queued)));
        assert_eq!(stored(&*store, &message_id).await.events.len(), 3);
    }
}

pub async fn a_report_without_our_reference_is_matched_by_the_vendors_id(engine: impl Engine) {
    let store = with_accepted(&engine).await;
    assert_eq!(tell(&*store, report("v1", Delivered, 2)).await, (StatusOutcome::Applied, Some(Status::Delivered)));
    assert_eq!(stored(&*store, "m1").await.state.status(), Status::Delivered);
}

pub async fn vendor_ids_that_differ_in_case_or_zeros_are_different(engine: impl Engine) {
    let store = engine.open().await;
    for (id, theirs) in [("m1", "00Ab"), ("m2", "0Ab"), ("m3", "00aB")] {
        store.commit(vec![record(message(id)), accepted(id, theirs, 1)]).await.unwrap();
    }
    assert_eq!(tell(&*store, report("0Ab", Delivered, 2)).await.0, StatusOutcome::Applied);
    assert_eq!(tell(&*store, report("00ab", Delivered, 2)).await.0, StatusOutcome::Parked);
    for (id, status) in [("m1", Status::Queued), ("m2", Status::Delivered), ("m3", Status::Queued)] {
        assert_eq!(stored(&*store, id).await.state.status(), status, "{id}");
    }
}

pub async fn a_late_result_still_counts_for_an_unresolved_message(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(Message { state: State::Unresolved(None), ..message("m1") })).await;
    assert_eq!(stored(&*store, "m1").await.state, State::Unresolved(None));
    let late = tell(&*store, report_for("m1", "v1", Delivered, 90_000)).await;
    assert_eq!(late, (StatusOutcome::Applied, Some(Status::Delivered)));
}
