//! Two batches at once.

use std::time::Duration;

use futures::future::join_all;
use switchboard_dispatcher::{
    history::{History, HistoryError, Recorded},
    message::{Message, Settlement, Status},
    store::NewMessage,
};
use switchboard_runtime::Lifecycle;
use tokio::time::{sleep, timeout};

use crate::store::{
    build::{at, message},
    harness::Engine as _,
    server::Postgres,
};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_waits_for_another_replica_holds_up_no_other() {
    let engine = Postgres::create().await;
    let lifecycle = Lifecycle::new();
    let history = History::start(engine.open().await, &lifecycle);
    let record = |id: String, request_id: &str| {
        let message = Message { request_id: request_id.to_owned(), ..message(&id) };
        let history = history.clone();
        async move { history.record(NewMessage { message, fingerprint: [1; 32] }).await.unwrap() }
    };
    // Another replica has claimed the request id, and has not committed yet.
    let mut other = engine.raw().await.begin().await.unwrap();
    let claim = "INSERT INTO request_ids (organization_id, request_id, fingerprint, message_id, created_at) \
        VALUES ('acme', 'theirs', '', 'other', now())";
    sqlx::raw_sql(claim).execute(&mut *other).await.unwrap();
    assert_eq!(
        message("held").organization_id,
        "acme",
        "the claim above is of the organisation of the test's messages"
    );
    let held = lifecycle.spawn_detached("caller", record("held".to_owned(), "theirs"));
    let looking = engine.raw().await;
    timeout(SOON, async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND wait_event_type = 'Lock' AND query LIKE '%request_ids%'";
        while sqlx::query_scalar::<_, i64>(waits).fetch_one(&looking).await.unwrap() == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the first batch waits for the other replica");
    let others = join_all((0..200).map(|number| record(format!("m{number:03}"), "")));
    let others = timeout(SOON, others).await.expect("the others do not wait with it");
    assert!(others.iter().all(|recorded| matches!(recorded, Recorded::New(_))));
    assert!(!held.is_finished());
    other.rollback().await.unwrap();
    let held = timeout(SOON, held).await.expect("it goes on when the other replica has").unwrap();
    assert!(matches!(held, Recorded::New(_)));
    drop(history);
    lifecycle.shutdown().await.unwrap();
    assert_eq!(engine.rows("messages").await, 201);
}

/// PostgreSQL keeps no NUL. Nobody is let in with one; should one come all the same, it must cost nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_cannot_be_stored_fails_alone() {
    let engine = Postgres::create().await;
    let lifecycle = Lifecycle::new();
    let history = History::start(engine.open().await, &lifecycle);
    let new = |id: &str, request_id: &str| {
        let message = Message { request_id: request_id.to_owned(), ..message(id) };
        NewMessage { message, fingerprint: [1; 32] }
    };
    history.record(new("known", "")).await.unwrap();
    let accepted = Settlement::Accepted { provider_message_id: "v1".to_owned(), accept_time: None };
    let (settled, good, bad, other) = tokio::join!(
        history.settle("known", accepted, at(1)),
        history.record(new("good", "r1")),
        history.record(new("bad", "r\0")),
        history.record(new("other", "r2")),
    );
    assert!(matches!(bad, Err(HistoryError::Unavailable)));
    assert!(matches!((good, other), (Ok(Recorded::New(_)), Ok(Recorded::New(_)))));
    assert_eq!(settled.unwrap().message.state.status(), Status::Queued);
    drop(history);
    lifecycle.shutdown().await.unwrap();
    assert_eq!(engine.rows("messages").await, 3);
}
