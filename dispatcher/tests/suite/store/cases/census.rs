//! How much is open and set aside is counted without reading the history.

use std::time::Duration;

use switchboard_dispatcher::{
    message::{Message, Settlement, Status},
    store::{Open, Room, Signer, Unreadable},
};
use switchboard_providers::model::{
    FailureCode,
    ReportedStatus::{Delivered, Sent},
};

use crate::store::{
    build::{accepted, at, commit, failure, message, record, report, report_for, settle, tell},
    harness::Engine,
};

pub async fn open_messages_are_counted_by_state_with_the_age_of_the_oldest(engine: impl Engine) {
    let store = engine.open().await;
    for (id, seconds) in [("requested", 0), ("doubt", 10), ("queued", 20), ("older", 5), ("sent", 30), ("done", 0)] {
        commit(&*store, record(Message { create_time: at(seconds), ..message(id) })).await;
    }
    commit(&*store, settle("doubt", Settlement::InDoubt(failure(FailureCode::ProviderTimeout)), 11)).await;
    for id in ["queued", "older", "sent", "done"] {
        commit(&*store, accepted(id, &format!("v-{id}"), 31)).await;
    }
    tell(&*store, report_for("sent", "v-sent", Sent, 32)).await;
    tell(&*store, report_for("done", "v-done", Delivered, 32)).await;
    commit(&*store, record(message("given up"))).await;
    commit(&*store, settle("given up", Settlement::Unresolved, 33)).await;
    let census = store.census(at(45)).await.unwrap();
    let open = |status| census.open.get(&status).copied().unwrap_or_default();
    let expected = |count, seconds| Open { count, oldest_age: Duration::from_secs(seconds) };
    assert_eq!(open(Status::Requested), expected(1, 45));
    assert_eq!(open(Status::InDoubt), expected(1, 35));
    assert_eq!(open(Status::Queued), expected(2, 40));
    assert_eq!(open(Status::Sent), expected(1, 15));
    assert_eq!(census.open.len(), 4, "what is final or unresolved nobody looks after");
    assert_eq!(census.overdue, 2, "requested and in doubt, whose 30 s are over");
}

pub async fn parked_reports_and_quarantined_events_are_counted(engine: impl Engine) {
    let store = engine.open().await;
    tell(&*store, report("nobody's", Delivered, 1)).await;
    let signer = Signer {
        provider: "cloudmsg".to_owned(),
        provider_account: "svc-acme".to_owned(),
        organization_ids: vec!["acme".to_owned()],
    };
    let event = |raw: &[u8]| Unreadable { signer: signer.clone(), reason: String::new(), raw: raw.to_vec() };
    let events = vec![("q1".to_owned(), event(b"1")), ("q2".to_owned(), event(b"2"))];
    store.set_aside(events, Room { events: 9, bytes: 99 }, at(1)).await.unwrap();
    let census = store.census(at(2)).await.unwrap();
    assert_eq!((census.parked, census.quarantined, census.overdue, census.open.len()), (1, 2, 0, 0));
}
