//! Every state that is not final has a deadline.

use switchboard_dispatcher::{
    message::{Message, Settlement},
    store::Store,
};
use switchboard_providers::model::{
    FailureCode,
    ReportedStatus::{Delivered, Sent},
};

use crate::store::{
    build::{accepted, at, commit, failure, message, record, report_for, settle, stored, tell},
    harness::{Engine, RECONCILE_AFTER},
};

/// Ids of the messages that are due.
async fn due(store: &dyn Store, seconds: i64) -> Vec<String> {
    store.due(at(seconds), 100).await.unwrap().into_iter().map(|message| message.id).collect()
}

pub async fn every_open_message_has_a_time_at_which_it_is_looked_after(engine: impl Engine) {
    let store = engine.open().await;
    let moves = [
        None,
        Some(accepted("queued", "v1", 0)),
        Some(settle("doubt", Settlement::InDoubt(failure(FailureCode::ProviderTimeout)), 0)),
        Some(accepted("sent", "v2", 0)),
    ];
    for (id, step) in ["requested", "queued", "doubt", "sent"].into_iter().zip(moves) {
        commit(&*store, record(message(id))).await;
        if let Some(step) = step {
            commit(&*store, step).await;
        }
    }
    tell(&*store, report_for("sent", "v2", Sent, -1)).await;
    assert!(due(&*store, 29).await.is_empty());
    let mut all = due(&*store, 30).await;
    all.sort();
    assert_eq!(all, ["doubt", "queued", "requested", "sent"]);
}

pub async fn a_final_message_is_never_due(engine: impl Engine) {
    let store = engine.open().await;
    let refused = Settlement::Refused(failure(FailureCode::InvalidRecipient));
    let writes = vec![record(message("m1")), accepted("m1", "v1", 1), record(message("m2")), settle("m2", refused, 1)];
    store.commit(writes).await.unwrap();
    tell(&*store, report_for("m1", "v1", Delivered, 2)).await;
    assert!(due(&*store, 1_000_000_000).await.is_empty());
    // A late report is noted, and does not make it due again.
    tell(&*store, report_for("m1", "v1", Sent, 3)).await;
    assert!(due(&*store, 1_000_000_000).await.is_empty());
}

pub async fn a_move_puts_the_time_off(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    commit(&*store, accepted("m1", "v1", 20)).await;
    assert_eq!(stored(&*store, "m1").await.due_time, Some(at(20) + RECONCILE_AFTER));
    assert!(due(&*store, 49).await.is_empty());
    assert_eq!(due(&*store, 50).await, ["m1"]);
}

pub async fn the_longest_due_come_first_and_no_more_than_asked_for(engine: impl Engine) {
    let store = engine.open().await;
    for (id, seconds) in [("b", 20), ("a", 30), ("c", 10)] {
        commit(&*store, record(Message { create_time: at(seconds), ..message(id) })).await;
    }
    assert_eq!(due(&*store, 1000).await, ["c", "b", "a"]);
    assert_eq!(due(&*store, 50).await, ["c", "b"]);
    let two = store.due(at(1000), 2).await.unwrap();
    assert_eq!(two.len(), 2);
}
