//! All or nothing, and nothing is lost.

use futures::future::join_all;
use switchboard_dispatcher::{
    history::{History, HistoryError, Recorded},
    message::{Message, Settlement, Status},
    store::{NewMessage, StatusOutcome, StoreError},
};
use switchboard_providers::model::ReportedStatus::{Delivered, Sent};
use switchboard_runtime::Lifecycle;

use crate::store::{
    build::{accepted, assert_same, at, commit, message, record, report, report_for, reported, stored, tell, word},
    harness::Engine,
};

fn request(id: &str, request_id: &str) -> Message {
    Message { request_id: request_id.to_owned(), ..message(id) }
}

pub async fn a_commit_that_fails_leaves_nothing(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m5"))).await;
    let batch = vec![
        record(request("m1", "r1")),
        reported(report("nobody's", Delivered, 1)),
        record(request("m5", "r5")),
        record(request("m9", "r9")),
    ];
    assert!(matches!(store.commit(batch).await, Err(StoreError::Unavailable(_))), "there is a message m5 already");
    for (table, rows) in [("messages", 1), ("request_ids", 0), ("event_keys", 0), ("parked_updates", 0)] {
        assert_eq!(engine.rows(table).await, rows, "{table}");
    }
    let again = vec![record(request("m1", "r1")), reported(report("nobody's", Delivered, 1))];
    let words: Vec<_> = store.commit(again).await.unwrap().iter().map(word).collect();
    assert_eq!(words, ["recorded", "reported"]);
}

pub async fn an_event_whose_effect_failed_is_applied_when_it_comes_again(engine: impl Engine) {
    let store = engine.open().await;
    store.commit(vec![record(message("m1")), accepted("m1", "v1", 1)]).await.unwrap();
    let event = report_for("m1", "v1", Delivered, 2);
    engine.break_updates().await;
    assert!(store.commit(vec![reported(event.clone())]).await.is_err());
    assert_eq!(stored(&*store, "m1").await.state.status(), Status::Queued);
    engine.mend_updates().await;
    assert_eq!(tell(&*store, event).await, (StatusOutcome::Applied, Some(Status::Delivered)));
}

pub async fn everything_is_there_after_a_restart(engine: impl Engine) {
    let store = engine.open().await;
    let writes = vec![
        record(request("m1", "r1")),
        accepted("m1", "v1", 1),
        reported(report_for("m1", "v1", Sent, 2)),
        record(message("m2")),
        reported(report("v3", Delivered, 2)),
    ];
    store.commit(writes).await.unwrap();
    let before = [stored(&*store, "m1").await, stored(&*store, "m2").await];
    drop(store);
    let reopened = engine.open().await;
    for message in &before {
        assert_same(message, &stored(&*reopened, &message.id).await);
    }
    assert_eq!(word(&commit(&*reopened, record(request("m4", "r1"))).await), "existing");
    assert_eq!(tell(&*reopened, report_for("m1", "v1", Sent, 2)).await.0, StatusOutcome::Duplicate);
    assert_eq!(tell(&*reopened, report("v3", Delivered, 2)).await.0, StatusOutcome::Duplicate);
}

pub async fn a_failed_batch_is_told_to_everyone_and_the_writer_goes_on(engine: impl Engine) {
    let lifecycle = Lifecycle::new();
    let history = History::start(engine.open().await, &lifecycle);
    let new = |id: &str| NewMessage { message: message(id), fingerprint: [1; 32] };
    history.record(new("m1")).await.unwrap();
    engine.break_updates().await;
    let settle = || history.settle("m1", acceptance("v1"), at(1));
    for result in join_all([settle(), settle(), settle()]).await {
        assert!(matches!(result, Err(HistoryError::Unavailable)));
    }
    engine.mend_updates().await;
    assert_eq!(settle().await.unwrap().message.state.status(), Status::Queued);
    assert!(matches!(history.record(new("m2")).await, Ok(Recorded::New(_))));
    drop(history);
    lifecycle.shutdown().await.unwrap();
}

pub async fn writes_of_many_callers_are_all_committed(engine: impl Engine) {
    let lifecycle = Lifecycle::new();
    let history = History::start(engine.open().await, &lifecycle);
    let callers = (0..300).map(|number| {
        let history = history.clone();
        lifecycle.spawn_detached("caller", async move {
            let (id, theirs) = (format!("m{number:03}"), format!("v{number:03}"));
            history.record(NewMessage { message: message(&id), fingerprint: [1; 32] }).await.unwrap();
            history.settle(&id, acceptance(&theirs), at(1)).await.unwrap();
            history.report(report(&theirs, Delivered, 2)).await.unwrap().status
        })
    });
    let ends: Vec<_> = join_all(callers).await.into_iter().map(Result::unwrap).collect();
    assert!(ends.iter().all(|status| *status == Some(Status::Delivered)));
    drop(history);
    lifecycle.shutdown().await.unwrap();
    let reopened = engine.open().await;
    assert_eq!(engine.rows("messages").await, 300);
    for number in 0..300 {
        let message = stored(&*reopened, &format!("m{number:03}")).await;
        assert_eq!((message.state.status(), message.events.len()), (Status::Delivered, 3));
    }
}

fn acceptance(provider_message_id: &str) -> Settlement {
    Settlement::Accepted { provider_message_id: provider_message_id.to_owned(), accept_time: None }
}
