//! Several dispatchers write the same history.

use std::sync::Arc;

use futures::future::join_all;
use switchboard_dispatcher::{
    message::{EventKind, Status},
    store::{Forgotten, StatusOutcome, Store, Terms, Write},
};
use switchboard_providers::model::ReportedStatus::{Delivered, Sent};

use crate::store::{
    build::{KEEP, accepted, at, commit, kinds, message, record, report, report_for, reported, stored, tell},
    harness::Engine as _,
    server::Postgres,
};

#[tokio::test]
async fn what_another_replica_has_done_since_is_not_overwritten_by_the_sends_answer() {
    let engine = Postgres::create().await;
    let (sender, other) = (engine.open().await, engine.open().await);
    sender.commit(vec![record(message("m1")), record(message("m2"))]).await.unwrap();
    tell(&*other, report_for("m1", "v1", Delivered, 1)).await;
    assert_eq!(other.claim_due(at(30), 10).await.unwrap().len(), 1);
    sender.commit(vec![accepted("m1", "v1", 31), accepted("m2", "v2", 31)]).await.unwrap();
    let first = stored(&*sender, "m1").await;
    assert_eq!(first.state.status(), Status::Delivered);
    assert_eq!(kinds(&first), [EventKind::Recorded, EventKind::Reported, EventKind::Accepted]);
    let second = stored(&*sender, "m2").await;
    assert_eq!((second.state.status(), second.checks), (Status::Queued, 0));
    assert!(sender.claim_due(at(60), 10).await.unwrap().is_empty(), "it is due 30 s after its last move");
    assert_eq!(sender.claim_due(at(61), 10).await.unwrap().len(), 1, "once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_cross_never_lock_each_other_out() {
    const MESSAGES: usize = 40;
    const ROUNDS: usize = 15;
    let engine = Postgres::create().await;
    let replicas = [engine.open().await, engine.open().await, engine.open().await];
    let ids: Arc<Vec<String>> = Arc::new((0..MESSAGES).map(|number| format!("m{number:03}")).collect());
    replicas[0].commit(ids.iter().map(|id| record(message(id))).collect()).await.unwrap();
    replicas[0].commit(ids.iter().map(|id| accepted(id, &format!("v-{id}"), 1)).collect()).await.unwrap();
    let mut crossing = Vec::new();
    for (number, replica) in replicas.iter().enumerate() {
        for round in 0..ROUNDS {
            let (store, ids): (Arc<dyn Store>, _) = (Arc::clone(replica), Arc::clone(&ids));
            crossing.push(async move {
                let seconds = i64::try_from(round).unwrap();
                let mut batch: Vec<Write> = ids
                    .iter()
                    .map(|id| match number {
                        // The same events by our id, by the vendor's, and both ways at once.
                        0 => report_for(id, &format!("v-{id}"), Sent, seconds),
                        1 => report(&format!("v-{id}"), Sent, seconds),
                        _ if id.ends_with(['0', '2', '4', '6', '8']) => report(&format!("v-{id}"), Sent, seconds),
                        _ => report_for(id, &format!("v-{id}"), Sent, seconds),
                    })
                    .map(reported)
                    .collect();
                match (number + round) % 3 {
                    0 => batch.reverse(),
                    1 => batch.rotate_left(ids.len() / 2),
                    _ => {}
                }
                store.commit(batch).await.map(drop)
            });
        }
    }
    for result in join_all(crossing).await {
        result.unwrap();
    }
    for id in ids.iter() {
        let events = stored(&*replicas[0], id).await.events.len();
        assert_eq!(events, 2 + ROUNDS, "{id}: each event once");
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = sqlx::query_scalar(deadlocks).fetch_one(&engine.raw().await).await.unwrap();
    assert_eq!(deadlocks, 0);
}

#[tokio::test]
async fn a_report_parked_in_the_moment_of_the_answer_meets_its_message_later() {
    let engine = Postgres::create().await;
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    tell(&*store, report("v1", Delivered, 1)).await;
    // As if neither replica had seen yet what the other was committing.
    engine.run("UPDATE parked_updates SET provider_message_id = 'unseen'").await;
    commit(&*store, accepted("m1", "v1", 2)).await;
    engine.run("UPDATE parked_updates SET provider_message_id = 'v1'").await;
    assert_eq!(stored(&*store, "m1").await.state.status(), Status::Queued);
    store.tidy(at(3), &KEEP, 100).await.unwrap();
    assert_eq!(stored(&*store, "m1").await.state.status(), Status::Delivered);
    assert_eq!(engine.rows("parked_updates").await, 0);
    assert_eq!(tell(&*store, report("v1", Delivered, 1)).await.0, StatusOutcome::Duplicate);
}

#[tokio::test]
async fn a_report_that_has_met_its_message_and_is_still_parked_is_not_applied_again() {
    let engine = Postgres::create().await;
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    tell(&*store, report("v1", Sent, 1)).await;
    // As if whoever brought them together had stopped before it took the report out of the park.
    engine.run("CREATE TABLE parked AS SELECT * FROM parked_updates").await;
    commit(&*store, accepted("m1", "v1", 2)).await;
    engine.run("INSERT INTO parked_updates SELECT * FROM parked").await;
    assert_eq!(tell(&*store, report_for("m1", "v1", Delivered, 3)).await.0, StatusOutcome::Applied);
    let kinds = kinds(&stored(&*store, "m1").await);
    assert_eq!(kinds, [EventKind::Recorded, EventKind::Accepted, EventKind::Reported, EventKind::Reported]);
    assert_eq!(engine.rows("parked_updates").await, 0);
}

#[tokio::test]
async fn a_parked_report_that_cannot_be_read_holds_up_no_other_and_is_forgotten_in_its_time() {
    let engine = Postgres::create().await;
    let store = engine.open().await;
    store.commit(vec![record(message("m1")), record(message("m2"))]).await.unwrap();
    tell(&*store, report("v1", Delivered, 1)).await;
    tell(&*store, report("v2", Delivered, 2)).await;
    engine.run("UPDATE parked_updates SET provider_message_id = 'unseen ' || provider_message_id").await;
    store.commit(vec![accepted("m1", "v1", 3), accepted("m2", "v2", 3)]).await.unwrap();
    engine.run("UPDATE parked_updates SET provider_message_id = substr(provider_message_id, 8)").await;
    engine.run("UPDATE parked_updates SET body = '?' WHERE provider_message_id = 'v1'").await;
    let first = store.tidy(at(4), &KEEP, 100).await.unwrap();
    assert_eq!(first, Forgotten { failed: 1, ..Forgotten::default() });
    assert_eq!(stored(&*store, "m2").await.state.status(), Status::Delivered);
    let second = store.tidy(at(5), &Terms { parked: at(5), ..KEEP }, 100).await.unwrap();
    assert_eq!((second.parked, second.failed), (1, 1));
    assert_eq!(store.tidy(at(6), &KEEP, 100).await.unwrap(), Forgotten::default());
}
