//! The text in place of an Alimtalk that has finally failed: by the vendor or by us, never by both, never twice.

use std::collections::BTreeMap;

use switchboard_dispatcher::{
    message::{AlimtalkContent, Content, EventKind, FallbackText, Message, Settlement, Status},
    store::{StatusOutcome, Store, Write, Written},
};
use switchboard_providers::model::{
    Channel, FailureCode,
    ReportedStatus::{Delivered, Failed, Sent},
};

use crate::store::{
    build::{accepted, at, commit, failure, kinds, message, outcome, record, report_for, reported, settle, stored},
    harness::{Engine, RECONCILE_AFTER},
};

fn alimtalk(id: &str, by_vendor: bool) -> Message {
    let fallback = FallbackText {
        sender: "15881234".to_owned(),
        subject: "배송".to_owned(),
        text: "배송이 시작되었습니다".to_owned(),
        lms: true,
        by_vendor,
    };
    let content = Content::Alimtalk(AlimtalkContent {
        rendered: "배송".to_owned(),
        sender_profile: String::new(),
        template_code: "SHIPPED".to_owned(),
        content: "배송".to_owned(),
        variables: BTreeMap::new(),
        title: String::new(),
        buttons: Vec::new(),
        fallback: Some(fallback),
    });
    let labels = BTreeMap::from([("team".to_owned(), "crm".to_owned())]);
    let request_id = format!("request of {id}");
    Message { channel: Channel::Alimtalk, sender: String::new(), content, labels, request_id, ..message(id) }
}

/// The text that a write made.
fn made(written: &Written) -> Option<&Message> {
    match written {
        Written::Settled { fallback, .. } | Written::Reported { fallback, .. } => fallback.as_deref(),
        _ => None,
    }
}

fn failed(id: &str, seconds: i64) -> Write {
    reported(report_for(id, &format!("v-{id}"), Failed, seconds))
}

async fn queued(store: &dyn Store, id: &str, by_vendor: bool) {
    let writes = vec![record(alimtalk(id, by_vendor)), accepted(id, &format!("v-{id}"), 1)];
    store.commit(writes).await.unwrap();
}

pub async fn an_alimtalk_that_fails_makes_its_text_once(engine: impl Engine) {
    let store = engine.open().await;
    queued(&*store, "m1", false).await;
    let written = commit(&*store, failed("m1", 2)).await;
    let child = made(&written).expect("a text is sent in its place").id.clone();
    let (parent, child) = (stored(&*store, "m1").await, stored(&*store, &child).await);
    assert_eq!((parent.state.status(), &parent.fallback_message_id), (Status::Failed, &child.id));
    assert_eq!(kinds(&parent).last(), Some(&EventKind::Fallback));
    assert_eq!((child.channel, child.state.status()), (Channel::Lms, Status::Requested));
    assert_eq!((child.content.body(), child.sender.as_str()), ("배송이 시작되었습니다", "15881234"));
    assert_eq!((&child.to, &child.route, &child.labels), (&parent.to, &parent.route, &parent.labels));
    assert_eq!(child.due_time, Some(child.create_time + RECONCILE_AFTER), "it is looked after if its sender dies");
    assert_eq!(child.request_id, "", "the caller's request made the parent");
    for again in [failed("m1", 2), failed("m1", 3), reported(report_for("m1", "v-m1", Delivered, 4))] {
        assert!(made(&commit(&*store, again).await).is_none(), "not for a repetition, nor for another result");
    }
    drop(store);
    let reopened = engine.open().await;
    assert!(made(&commit(&*reopened, failed("m1", 5)).await).is_none());
    assert_eq!(engine.rows("messages").await, 2);
}

pub async fn the_text_is_the_vendors_job_where_the_vendor_does_it(engine: impl Engine) {
    let store = engine.open().await;
    queued(&*store, "m1", true).await;
    assert!(made(&commit(&*store, failed("m1", 2)).await).is_none());
    let mut update = report_for("m1", "v-m1", Failed, 3);
    update.report.fallback = "the vendor's own text is delivered".to_owned();
    commit(&*store, reported(update)).await;
    let message = stored(&*store, "m1").await;
    let note = message.events.last().unwrap();
    assert_eq!((note.kind, note.detail.as_str()), (EventKind::Fallback, "the vendor's own text is delivered"));
    assert_eq!((message.fallback_message_id.as_str(), engine.rows("messages").await), ("", 1));
}

pub async fn a_text_is_owed_when_the_vendor_never_had_the_alimtalk(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(alimtalk("m1", true))).await;
    let refused = Settlement::Refused(failure(FailureCode::TemplateRejected));
    let written = commit(&*store, settle("m1", refused, 2)).await;
    let child = made(&written).expect("the vendor cannot replace what it does not have");
    assert_eq!(child.create_time, at(2));
    assert_eq!(stored(&*store, "m1").await.fallback_message_id, child.id);
}

pub async fn nothing_is_owed_while_the_outcome_is_open(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(alimtalk("m1", false))).await;
    let doubt = Settlement::InDoubt(failure(FailureCode::ProviderTimeout));
    assert!(made(&commit(&*store, settle("m1", doubt, 1)).await).is_none());
    assert!(made(&commit(&*store, reported(report_for("m1", "v1", Sent, 2))).await).is_none());
    assert!(made(&commit(&*store, settle("m1", Settlement::Unresolved, 90_000)).await).is_none());
    let late = commit(&*store, reported(report_for("m1", "v1", Delivered, 90_001))).await;
    assert!(made(&late).is_none());
    assert_eq!(engine.rows("messages").await, 1);
}

pub async fn a_text_whose_parent_could_not_be_written_is_made_when_the_event_comes_again(engine: impl Engine) {
    let store = engine.open().await;
    queued(&*store, "m1", false).await;
    engine.break_updates().await;
    assert!(store.commit(vec![failed("m1", 2)]).await.is_err());
    assert_eq!(engine.rows("messages").await, 1, "no text without its parent's failure");
    engine.mend_updates().await;
    let written = commit(&*store, failed("m1", 2)).await;
    assert_eq!(outcome(&written), (StatusOutcome::Applied, Some(Status::Failed)));
    assert!(made(&written).is_some());
    assert_eq!(engine.rows("messages").await, 2);
}

pub async fn a_failure_that_comes_twice_at_once_makes_one_text(engine: impl Engine) {
    let stores = [engine.open().await, engine.open().await];
    queued(&*stores[0], "m1", false).await;
    // The same event, and the same failure told in other words, to two replicas and twice in a batch.
    let told = |store: &std::sync::Arc<dyn Store>, seconds: i64| {
        let store = std::sync::Arc::clone(store);
        async move { store.commit(vec![failed("m1", 2), failed("m1", 2), failed("m1", seconds)]).await.unwrap() }
    };
    let (left, right) = futures::future::join(told(&stores[0], 3), told(&stores[1], 4)).await;
    let texts = left.iter().chain(&right).filter_map(made).count();
    assert_eq!((texts, engine.rows("messages").await), (1, 2));
}

pub async fn a_late_failure_of_an_unresolved_alimtalk_makes_its_text_once(engine: impl Engine) {
    let store = engine.open().await;
    queued(&*store, "m1", false).await;
    queued(&*store, "m2", true).await;
    for id in ["m1", "m2"] {
        assert!(made(&commit(&*store, settle(id, Settlement::Unresolved, 90_000)).await).is_none());
    }
    assert!(made(&commit(&*store, failed("m1", 90_001)).await).is_some());
    assert!(made(&commit(&*store, failed("m1", 90_001)).await).is_none());
    assert!(made(&commit(&*store, failed("m2", 90_001)).await).is_none(), "the vendor's job, however late");
    assert_eq!(engine.rows("messages").await, 3);
}

pub async fn a_failure_that_overtakes_the_sends_answer_makes_no_text_where_the_vendor_does_it(engine: impl Engine) {
    let store = engine.open().await;
    for by_vendor in [true, false] {
        let id = if by_vendor { "vendors" } else { "ours" };
        commit(&*store, record(alimtalk(id, by_vendor))).await;
        let early = commit(&*store, failed(id, 1)).await;
        assert_eq!(made(&early).is_some(), !by_vendor, "{id}");
        let answer = commit(&*store, accepted(id, &format!("v-{id}"), 2)).await;
        assert!(made(&answer).is_none(), "{id}: not a second time");
    }
    assert_eq!(engine.rows("messages").await, 3);
}

pub async fn a_parked_failure_makes_its_text_with_the_answer_that_it_waited_for(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(alimtalk("m1", false))).await;
    let parked = crate::store::build::report("v-m1", Failed, 1);
    assert!(made(&commit(&*store, reported(parked.clone())).await).is_none());
    let answer = commit(&*store, accepted("m1", "v-m1", 2)).await;
    assert!(made(&answer).is_some());
    assert!(made(&commit(&*store, reported(parked)).await).is_none());
    assert_eq!(engine.rows("messages").await, 2);
}

pub async fn a_text_whose_sender_died_before_it_was_sent_is_looked_after(engine: impl Engine) {
    let store = engine.open().await;
    queued(&*store, "m1", false).await;
    let child = made(&commit(&*store, failed("m1", 2)).await).unwrap().id.clone();
    // Both are committed, and the process is gone.
    drop(store);
    let store = engine.open().await;
    let due = store.claim_due(at(100), 10).await.unwrap();
    assert_eq!(due.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), [child.as_str()]);
    assert_eq!(due[0].content.body(), "배송이 시작되었습니다", "with all that is needed to send it");
    assert!(made(&commit(&*store, failed("m1", 2)).await).is_none(), "the event that comes again makes no other");
    assert_eq!(stored(&*store, "m1").await.fallback_message_id, child);
}
