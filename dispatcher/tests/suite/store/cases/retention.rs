//! What need not be kept any longer is forgotten, a small batch at a time.

use switchboard_dispatcher::{
    message::{Content, Message, Settlement, Status},
    store::{Forgotten, Store, Terms},
};
use switchboard_providers::model::{FailureCode, ReportedStatus::Delivered};

use crate::store::{
    build::{KEEP, accepted, at, commit, failure, message, mms, record, report, settle, stored, tell, word},
    harness::Engine,
};

async fn tidy(store: &dyn Store, terms: Terms) -> Forgotten {
    store.tidy(at(0), &terms, 100).await.unwrap()
}

/// A message recorded some seconds after the beginning.
fn recorded_at(id: &str, seconds: i64) -> Message {
    Message { create_time: at(seconds), ..message(id) }
}

pub async fn texts_and_images_are_blanked_and_the_rest_of_the_message_stays(engine: impl Engine) {
    let store = engine.open().await;
    store
        .commit(vec![record(recorded_at("old", 0)), record(mms("mms")), record(recorded_at("new", 100))])
        .await
        .unwrap();
    commit(&*store, accepted("old", "v1", 1)).await;
    commit(&*store, settle("mms", Settlement::Unresolved, 1)).await;
    let before = stored(&*store, "old").await;
    assert_eq!(engine.rows("message_images").await, 2);
    let forgotten = tidy(&*store, Terms { texts: at(50), ..KEEP }).await;
    assert_eq!(forgotten, Forgotten { texts: 2, ..Forgotten::default() });
    let after = stored(&*store, "old").await;
    assert!(matches!(&after.content, Content::Archived { text } if text.is_empty()));
    assert_eq!((&after.to, &after.state, &after.events), (&before.to, &before.state, &before.events));
    assert_eq!(engine.rows("message_images").await, 0);
    assert_eq!(stored(&*store, "new").await.content.body(), "안녕하세요");
    assert_eq!(tidy(&*store, Terms { texts: at(50), ..KEEP }).await, Forgotten::default(), "there is nothing left");
}

pub async fn a_blanked_message_still_takes_a_late_result(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    commit(&*store, accepted("m1", "v1", 1)).await;
    tidy(&*store, Terms { texts: at(50), ..KEEP }).await;
    tell(&*store, report("v1", Delivered, 60)).await;
    let message = stored(&*store, "m1").await;
    assert_eq!((message.state.status(), message.content.body()), (Status::Delivered, ""));
}

pub async fn messages_are_dropped_once_they_are_blanked_and_old_enough(engine: impl Engine) {
    let store = engine.open().await;
    store.commit(vec![record(recorded_at("old", 0)), record(recorded_at("new", 100))]).await.unwrap();
    commit(&*store, settle("old", Settlement::Refused(failure(FailureCode::Unknown)), 1)).await;
    let terms = Terms { texts: at(50), messages: at(50), ..KEEP };
    let mut forgotten = tidy(&*store, terms).await;
    forgotten.messages += tidy(&*store, terms).await.messages;
    assert_eq!(forgotten.messages, 1);
    assert!(store.message("old").await.unwrap().is_none());
    assert_eq!(stored(&*store, "new").await.content.body(), "안녕하세요");
}

pub async fn a_request_id_may_be_used_again_after_its_term(engine: impl Engine) {
    let store = engine.open().await;
    let request = |id: &str| record(Message { request_id: "r1".to_owned(), ..message(id) });
    commit(&*store, request("m1")).await;
    tidy(&*store, Terms { request_ids: at(0), ..KEEP }).await;
    assert_eq!(word(&commit(&*store, request("m2")).await), "existing");
    let forgotten = tidy(&*store, Terms { request_ids: at(1), ..KEEP }).await;
    assert_eq!(forgotten, Forgotten { request_ids: 1, ..Forgotten::default() });
    assert_eq!(word(&commit(&*store, request("m3")).await), "recorded");
}

pub async fn a_report_that_was_parked_for_too_long_is_dropped_and_counted(engine: impl Engine) {
    let store = engine.open().await;
    tell(&*store, report("v1", Delivered, 1)).await;
    tell(&*store, report("v2", Delivered, 100)).await;
    let forgotten = tidy(&*store, Terms { parked: at(50), ..KEEP }).await;
    assert_eq!(forgotten, Forgotten { parked: 1, ..Forgotten::default() });
    store.commit(vec![record(message("m1")), record(message("m2"))]).await.unwrap();
    store.commit(vec![accepted("m1", "v1", 101), accepted("m2", "v2", 101)]).await.unwrap();
    assert_eq!(stored(&*store, "m1").await.state.status(), Status::Queued);
    assert_eq!(stored(&*store, "m2").await.state.status(), Status::Delivered);
}

pub async fn much_is_forgotten_in_small_batches_the_oldest_first(engine: impl Engine) {
    let store = engine.open().await;
    for number in 0..5 {
        commit(&*store, record(recorded_at(&format!("m{number}"), number))).await;
    }
    let terms = Terms { texts: at(50), ..KEEP };
    let mut batches = Vec::new();
    for _ in 0..3 {
        let forgotten = store.tidy(at(0), &terms, 2).await.unwrap();
        batches.push((forgotten.texts, forgotten.filled(2)));
        assert_eq!(stored(&*store, "m4").await.content.body().is_empty(), batches.len() == 3);
    }
    assert_eq!(batches, [(2, true), (2, true), (1, false)]);
}
