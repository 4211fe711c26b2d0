//! One request id makes one message.

use futures::future::join_all;
use switchboard_dispatcher::{
    history::{History, Recorded},
    message::{Message, Status},
    store::{NewMessage, Written},
};
use switchboard_runtime::Lifecycle;

use crate::store::{
    build::{accepted, commit, existing, message, record, record_as, word},
    harness::Engine,
};

fn request(id: &str, request_id: &str) -> Message {
    Message { request_id: request_id.to_owned(), ..message(id) }
}

pub async fn the_same_request_returns_the_message_that_it_made(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(request("m1", "r1"))).await;
    commit(&*store, accepted("m1", "v1", 1)).await;
    let Written::Existing(first) = commit(&*store, record(request("m2", "r1"))).await else { panic!("not a repeat") };
    assert_eq!((first.id.as_str(), first.state.status()), ("m1", Status::Queued), "as it stands now");
    assert!(store.message("m2").await.unwrap().is_none());
    let (found, fingerprint) = store.by_request_id("acme", "r1").await.unwrap().unwrap();
    assert_eq!((found.id.as_str(), fingerprint), ("m1", [1; 32]));
    drop(store);
    let reopened = engine.open().await;
    assert_eq!(existing(&commit(&*reopened, record(request("m3", "r1"))).await), "m1");
}

pub async fn the_same_request_id_with_other_content_is_refused(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record_as(request("m1", "r1"), 1)).await;
    let written = commit(&*store, record_as(request("m2", "r1"), 2)).await;
    let Written::RequestIdReused { message_id } = written else { panic!("{}", word(&written)) };
    assert_eq!(message_id, "m1");
    assert!(store.message("m2").await.unwrap().is_none());
}

pub async fn repeats_within_one_batch_are_told_apart_from_misuse(engine: impl Engine) {
    let store = engine.open().await;
    let batch = vec![
        record_as(request("m1", "r1"), 1),
        record_as(request("m2", "r1"), 1),
        record_as(request("m3", "r1"), 2),
        record_as(request("m4", "r2"), 1),
    ];
    let written = store.commit(batch).await.unwrap();
    let words: Vec<_> = written.iter().map(word).collect();
    assert_eq!(words, ["recorded", "existing", "reused", "recorded"]);
    assert_eq!(existing(&written[1]), "m1");
    assert_eq!((engine.rows("messages").await, engine.rows("request_ids").await), (2, 2));
}

pub async fn request_ids_of_two_organisations_never_meet(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record_as(request("m1", "r1"), 1)).await;
    let other = Message { organization_id: "other".to_owned(), ..request("m2", "r1") };
    assert_eq!(word(&commit(&*store, record_as(other, 2)).await), "recorded");
    assert_eq!(word(&commit(&*store, record(request("m3", "R1"))).await), "recorded", "case matters");
    assert!(store.by_request_id("third", "r1").await.unwrap().is_none());
}

pub async fn messages_without_a_request_id_never_meet(engine: impl Engine) {
    let store = engine.open().await;
    let written = store.commit(vec![record(message("m1")), record(message("m2"))]).await.unwrap();
    assert!(written.iter().all(|written| word(written) == "recorded"));
    assert_eq!(word(&commit(&*store, record(message("m3"))).await), "recorded");
    assert_eq!((engine.rows("messages").await, engine.rows("request_ids").await), (3, 0));
}

pub async fn a_hundred_repeats_through_several_writers_make_one_message(engine: impl Engine) {
    let lifecycle = Lifecycle::new();
    let mut replicas = Vec::new();
    for _ in 0..4 {
        replicas.push(History::start(engine.open().await, &lifecycle));
    }
    let repeats = (0..100).map(|number| {
        let history = replicas[number % replicas.len()].clone();
        lifecycle.spawn_detached("repeat", async move {
            let id = format!("m{number:03}");
            let new = NewMessage { message: request(&id, "r1"), fingerprint: [1; 32] };
            match history.record(new).await.unwrap() {
                Recorded::New(_) => (true, id),
                Recorded::Existing(message) => (false, message.id),
                Recorded::RequestIdReused { .. } => panic!("the content was the same"),
            }
        })
    });
    let results: Vec<_> = join_all(repeats).await.into_iter().map(Result::unwrap).collect();
    let made: Vec<_> = results.iter().filter(|(new, _)| *new).collect();
    assert_eq!(made.len(), 1, "one sends");
    assert!(results.iter().all(|(_, id)| *id == made[0].1), "and all get its message");
    assert_eq!(engine.rows("messages").await, 1);
    drop(replicas);
    lifecycle.shutdown().await.unwrap();
}
