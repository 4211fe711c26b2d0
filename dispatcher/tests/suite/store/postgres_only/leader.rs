//! One of several dispatchers looks after open messages, and another as soon as it is gone.

use crate::{
    store::{harness::Engine as _, server::Postgres},
    support::eventually,
};

const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
    AND application_name = 'switchboard-dispatcher-leader'";

#[tokio::test]
async fn one_of_two_leads_and_the_other_takes_over_when_it_is_gone() {
    let engine = Postgres::create().await;
    let (first, second) = (engine.open().await, engine.open().await);
    assert!(first.lead().await.unwrap());
    assert!(!second.lead().await.unwrap());
    assert!(first.lead().await.unwrap(), "it stays the leader");
    assert!(!second.lead().await.unwrap());
    // As a process that is killed: its sockets are closed, and nobody says good-bye.
    drop(first);
    eventually("the other leads", async || second.lead().await.unwrap().then_some(())).await;
    let third = engine.open().await;
    assert!(!third.lead().await.unwrap());
    second.resign().await;
    eventually("who resigns is followed", async || third.lead().await.unwrap().then_some(())).await;
    assert!(!second.lead().await.unwrap());
}

#[tokio::test]
async fn a_leader_whose_session_was_ended_learns_that_it_leads_no_more() {
    let engine = Postgres::create().await;
    let (first, second) = (engine.open().await, engine.open().await);
    assert!(first.lead().await.unwrap());
    engine
        .run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name = 'switchboard-dispatcher-leader'",
        )
        .await;
    eventually("the other leads", async || second.lead().await.unwrap().then_some(())).await;
    assert!(!first.lead().await.is_ok_and(|leads| leads), "it must not go on believing");
    assert!(!first.lead().await.unwrap(), "with a new session it asks again");
    let raw = engine.raw().await;
    let sessions: i64 = sqlx::query_scalar(SESSIONS).fetch_one(&raw).await.unwrap();
    assert_eq!(sessions, 2, "one for each, and none left behind");
}

#[tokio::test]
async fn each_history_has_a_leader_of_its_own() {
    let (one, other) = (Postgres::create().await, Postgres::create().await);
    let (first, second) = (one.open().await, other.open().await);
    assert!(first.lead().await.unwrap() && second.lead().await.unwrap());
}
