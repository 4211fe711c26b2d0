//! What is written without a look is what would have been written with one, or nothing.

use switchboard_dispatcher::{
    message::{Message, Settlement, State, Status},
    store::{NewMessage, Presumed, Store, Update},
};
use switchboard_providers::model::{
    FailureCode,
    ReportedStatus::{Delivered, Sent},
};

use crate::store::{
    build::{
        accepted, assert_same, at, commit, failure, message, record, report, report_for, settle, stored, tell, word,
    },
    harness::{Engine, RECONCILE_AFTER},
};

fn acceptance(provider_message_id: &str) -> Settlement {
    Settlement::Accepted { provider_message_id: provider_message_id.to_owned(), accept_time: None }
}

fn request(id: &str, request_id: &str) -> Message {
    Message { request_id: request_id.to_owned(), ..message(id) }
}

fn new(message: Message) -> NewMessage {
    let mut new = NewMessage { message, fingerprint: [1; 32] };
    assert!(new.presume(RECONCILE_AFTER));
    new
}

/// The settlement of a message as it is stored now.
async fn settling(store: &dyn Store, id: &str, settlement: &Settlement, seconds: i64) -> Update {
    Update::presume(&stored(store, id).await, settlement, at(seconds), RECONCILE_AFTER).unwrap()
}

/// Records without a look; what was left alone.
async fn presume(store: &dyn Store, records: Vec<NewMessage>, settled: Vec<Update>) -> Vec<String> {
    let mut refused = store.presume(&Presumed { records, settled }).await.unwrap();
    refused.sort();
    refused
}

pub async fn it_is_stored_as_if_it_had_been_looked_at(engine: impl Engine) {
    let store = engine.open().await;
    let settlements = [
        acceptance("v1"),
        Settlement::InDoubt(failure(FailureCode::ProviderTimeout)),
        Settlement::Refused(failure(FailureCode::InvalidRecipient)),
    ];
    let records = ["p0", "p1", "p2", "p3"].map(|id| new(request(id, id)));
    assert!(presume(&*store, records.into(), vec![]).await.is_empty());
    // New messages and settlements go together.
    let mut updates = Vec::new();
    for (index, settlement) in settlements.iter().enumerate() {
        updates.push(settling(&*store, &format!("p{index}"), settlement, 1).await);
        let id = format!("c{index}");
        commit(&*store, record(request(&id, &id))).await;
    }
    assert!(presume(&*store, vec![new(request("p4", ""))], updates).await.is_empty());
    for (index, settlement) in settlements.into_iter().enumerate() {
        // The vendor's id is the one thing in which two messages must differ.
        let settlement = if index == 0 { acceptance("w1") } else { settlement };
        commit(&*store, settle(&format!("c{index}"), settlement, 1)).await;
        let mut looked_at = stored(&*store, &format!("c{index}")).await;
        if let State::Queued(receipt) = &mut looked_at.state {
            receipt.provider_message_id = "v1".to_owned();
        }
        let blind = stored(&*store, &format!("p{index}")).await;
        assert_same(&Message { id: blind.id.clone(), request_id: blind.request_id.clone(), ..looked_at }, &blind);
    }
    assert_eq!(stored(&*store, "p3").await.due_time, Some(at(0) + RECONCILE_AFTER));
    assert_eq!(engine.rows("request_ids").await, 7);
    // It is found by what the vendor calls it, and only what is open is looked after.
    assert_eq!(tell(&*store, report("v1", Delivered, 2)).await.1, Some(Status::Delivered));
    let due = store.claim_due(at(31), 100).await.unwrap();
    let mut due: Vec<_> = due.iter().map(|message| message.id.as_str()).collect();
    due.sort_unstable();
    assert_eq!(due, ["c0", "c1", "p1", "p3", "p4"]);
}

pub async fn what_does_not_hold_is_left_alone_and_the_rest_is_written(engine: impl Engine) {
    let store = engine.open().await;
    for id in ["moved", "claimed", "early", "still"] {
        commit(&*store, record(message(id))).await;
    }
    commit(&*store, record(request("first", "taken"))).await;
    let mut updates = Vec::new();
    for id in ["claimed", "early", "moved", "still"] {
        updates.push(settling(&*store, id, &acceptance(&format!("v-{id}")), 40).await);
    }
    tell(&*store, report_for("moved", "v-moved", Sent, 1)).await;
    tell(&*store, report("v-early", Delivered, 1)).await;
    let claimed = store.claim_due(at(30), 100).await.unwrap();
    assert!(claimed.iter().any(|message| message.id == "claimed"));
    // What was claimed with it stands where it is presumed to.
    updates[3] = settling(&*store, "still", &acceptance("v-still"), 40).await;
    let records = vec![new(request("new", "free")), new(request("second", "taken"))];
    assert_eq!(presume(&*store, records, updates).await, ["claimed", "early", "moved", "second"]);
    assert!(store.message("second").await.unwrap().is_none());
    assert_eq!(stored(&*store, "new").await.state.status(), Status::Requested);
    assert_eq!(stored(&*store, "still").await.state.status(), Status::Queued);
    for id in ["claimed", "early"] {
        assert_eq!(stored(&*store, id).await.state.status(), Status::Requested, "{id}");
    }
    let (taken, _) = store.by_request_id("acme", "taken").await.unwrap().unwrap();
    assert_eq!(taken.id, "first");
    // Nor is a repetition that follows on one.
    let records = vec![new(request("more", "more")), new(request("third", "taken"))];
    assert_eq!(presume(&*store, records, vec![]).await, ["third"]);
    assert_eq!(stored(&*store, "more").await.request_id, "more");
    assert_eq!(engine.rows("request_ids").await, 3);
    // The long way takes what was left.
    commit(&*store, accepted("early", "v-early", 41)).await;
    assert_eq!(stored(&*store, "early").await.state.status(), Status::Delivered);
}

pub async fn nothing_is_written_when_the_engine_fails(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    let update = settling(&*store, "m1", &acceptance("v1"), 1).await;
    engine.break_updates().await;
    let failed = store.presume(&Presumed { records: vec![new(request("m2", "r2"))], settled: vec![update] }).await;
    assert!(failed.is_err());
    assert_eq!((engine.rows("messages").await, engine.rows("request_ids").await), (1, 0));
    engine.mend_updates().await;
    let update = settling(&*store, "m1", &acceptance("v1"), 1).await;
    assert!(presume(&*store, vec![new(request("m2", "r2"))], vec![update]).await.is_empty());
}

pub async fn a_slow_answer_moves_the_time_of_looking_after(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    let update = settling(&*store, "m1", &acceptance("v1"), 20).await;
    assert!(presume(&*store, vec![], vec![update]).await.is_empty());
    assert!(store.claim_due(at(49), 100).await.unwrap().is_empty());
    assert_eq!(store.claim_due(at(20) + RECONCILE_AFTER, 100).await.unwrap().len(), 1);
}

pub async fn a_record_of_which_nobody_learned_how_it_ended_may_be_made_again(engine: impl Engine) {
    let store = engine.open().await;
    assert!(presume(&*store, vec![new(request("m1", "r1"))], vec![]).await.is_empty());
    let again = commit(&*store, record(request("m1", "r1"))).await;
    assert_eq!(word(&again), "recorded");
    assert_eq!(engine.rows("messages").await, 1);
}
