//! Events that cannot be read, and who spoke for messages of others: kept, bounded, and forgotten in time.

use switchboard_dispatcher::store::{
    Forgotten, QuarantineQuery, Refusal, Room, Signer, SpokenFor, StatusOutcome, Store, Terms, Unreadable, Written,
};
use switchboard_providers::model::ReportedStatus::Delivered;

use crate::store::{
    build::{KEEP, accepted, at, commit, message, record, report_for, reported},
    harness::Engine,
};

const ROOM: Room = Room { events: 3, bytes: 100 };

fn signer(account: &str, organizations: &[&str]) -> Signer {
    Signer {
        provider: "cloudmsg".to_owned(),
        provider_account: account.to_owned(),
        organization_ids: organizations.iter().map(|id| (*id).to_owned()).collect(),
    }
}

fn event(account: &str, raw: &str) -> Unreadable {
    Unreadable { signer: signer(account, &["acme"]), reason: "missing field `status`".to_owned(), raw: raw.into() }
}

async fn keep(store: &dyn Store, events: &[(&str, Unreadable)], seconds: i64) -> Option<u32> {
    let events = events.iter().map(|(id, event)| ((*id).to_owned(), event.clone())).collect();
    store.set_aside(events, ROOM, at(seconds)).await.unwrap()
}

async fn ids(store: &dyn Store, query: QuarantineQuery) -> Vec<String> {
    let query = QuarantineQuery { limit: 10, ..query };
    store.quarantined(&query).await.unwrap().into_iter().map(|kept| kept.id).collect()
}

pub async fn an_event_is_kept_once_as_it_came_and_counted_each_time(engine: impl Engine) {
    let store = engine.open().await;
    let raw = Unreadable { raw: vec![0, 159, 146, 150], ..event("svc-acme", "") };
    assert_eq!(keep(&*store, &[("q1", raw.clone()), ("q2", raw.clone())], 1).await, Some(1));
    assert_eq!(keep(&*store, &[("q3", raw.clone())], 5).await, Some(0), "it came again");
    let other = Unreadable { signer: signer("svc-acme", &["beta"]), ..raw.clone() };
    assert_eq!(keep(&*store, &[("q4", other)], 6).await, Some(1), "another signer's is another event");
    drop(store);
    let store = engine.open().await;
    let kept = store.quarantined_by_id(&["q1".to_owned(), "nobody".to_owned()]).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0].event, kept[0].seen), (&raw, 3));
    assert_eq!((kept[0].first_time, kept[0].last_time), (at(1), at(5)));
}

pub async fn quarantined_events_are_listed_oldest_first_and_narrowed(engine: impl Engine) {
    let store = engine.open().await;
    keep(&*store, &[("q2", event("svc-acme", "two"))], 2).await;
    keep(&*store, &[("q1", event("svc-acme", "one"))], 1).await;
    let shared = Unreadable { signer: signer("svc-other", &["acme", "be\"ta"]), ..event("", "three") };
    let shared = Unreadable { signer: Signer { provider: "sendtalk".to_owned(), ..shared.signer }, ..shared };
    keep(&*store, &[("q3", shared)], 3).await;
    let all = QuarantineQuery::default;
    assert_eq!(ids(&*store, all()).await, ["q1", "q2", "q3"]);
    assert_eq!(ids(&*store, QuarantineQuery { after: Some((at(1), "q1".to_owned())), ..all() }).await, ["q2", "q3"]);
    assert_eq!(ids(&*store, QuarantineQuery { provider: Some("sendtalk".to_owned()), ..all() }).await, ["q3"]);
    for (organization, expected) in [("be\"ta", vec!["q3"]), ("acme", vec!["q1", "q2", "q3"]), ("bet", vec![])] {
        let query = QuarantineQuery { organization_id: Some(organization.to_owned()), ..all() };
        assert_eq!(ids(&*store, query).await, expected, "{organization}");
    }
    store.release("q2").await.unwrap();
    assert_eq!(ids(&*store, all()).await, ["q1", "q3"]);
}

pub async fn an_account_without_room_keeps_nothing_new_and_others_have_theirs(engine: impl Engine) {
    let store = engine.open().await;
    let three = [("q1", event("svc-acme", "1")), ("q2", event("svc-acme", "2")), ("q3", event("svc-acme", "3"))];
    assert_eq!(keep(&*store, &three, 1).await, Some(3));
    let more = [("q4", event("svc-other", "4")), ("q5", event("svc-acme", "5"))];
    assert_eq!(keep(&*store, &more, 2).await, None, "all of them or none");
    assert_eq!(keep(&*store, &three[..1], 2).await, Some(0), "what is kept already needs no room");
    assert_eq!(keep(&*store, &more[..1], 2).await, Some(1));
    let large = event("svc-third", &"x".repeat(101));
    assert_eq!(keep(&*store, &[("q6", large)], 2).await, None, "bytes are bounded too");
    assert_eq!(ids(&*store, QuarantineQuery::default()).await, ["q1", "q2", "q3", "q4"]);
    store.release("q1").await.unwrap();
    assert_eq!(keep(&*store, &more[1..], 3).await, Some(1));
}

pub async fn an_event_that_nobody_replays_is_forgotten_and_counted(engine: impl Engine) {
    let store = engine.open().await;
    keep(&*store, &[("q1", event("svc-acme", "1"))], 1).await;
    keep(&*store, &[("q2", event("svc-acme", "2"))], 100).await;
    let forgotten = store.tidy(at(100), &Terms { quarantined: at(50), ..KEEP }, 10).await.unwrap();
    assert_eq!(forgotten, Forgotten { quarantined: 1, ..Forgotten::default() });
    assert_eq!(ids(&*store, QuarantineQuery::default()).await, ["q2"]);
}

pub async fn a_forged_update_tells_whose_message_was_meant(engine: impl Engine) {
    let store = engine.open().await;
    store.commit(vec![record(message("m1")), accepted("m1", "v1", 1)]).await.unwrap();
    let mut forged = report_for("m1", "v1", Delivered, 2);
    forged.organization_ids = vec!["somebody-else".to_owned()];
    let written = commit(&*store, reported(forged)).await;
    let Written::Reported { outcome, message_id, spoken_for, .. } = written else { panic!("not a report") };
    assert_eq!((outcome, message_id.as_str()), (StatusOutcome::Foreign, ""));
    assert_eq!(spoken_for, Some(SpokenFor { organization_id: "acme".to_owned(), message_id: "m1".to_owned() }));
}

pub async fn refused_updates_are_noted_by_who_spoke_for_whom(engine: impl Engine) {
    let store = engine.open().await;
    let refusal = |account: &str, target: &str, message_id: &str| Refusal {
        signer: signer(account, &["mallory"]),
        target: target.to_owned(),
        message_id: message_id.to_owned(),
    };
    let first = vec![refusal("svc-m", "acme", "m1"), refusal("svc-m", "acme", "m2"), refusal("svc-m", "beta", "m3")];
    store.note_refusals(first, at(1)).await.unwrap();
    store.note_refusals(vec![refusal("svc-m", "acme", "m4")], at(2)).await.unwrap();
    drop(store);
    let store = engine.open().await;
    let noted = store.refusals(10).await.unwrap();
    assert_eq!(noted.len(), 2);
    assert_eq!((&noted[0].refusal, noted[0].seen), (&refusal("svc-m", "acme", "m4"), 3));
    assert_eq!((noted[0].first_time, noted[0].last_time), (at(1), at(2)));
    assert_eq!((&noted[1].refusal, noted[1].seen), (&refusal("svc-m", "beta", "m3"), 1));
    assert_eq!(store.refusals(1).await.unwrap().len(), 1);
}
