//! A message is written and read back whole.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use switchboard_dispatcher::{
    message::{
        AlimtalkContent, Content, EventKind, FallbackText, Message, MmsContent, Settlement, State, Status, TextContent,
    },
    store::Store,
};
use switchboard_providers::model::{Button, ButtonType, Channel, FailureCode, ReportedStatus};

use crate::store::{
    build::{
        accepted, assert_same, at, commit, failure, image, kinds, message, record, report_for, reported, route, settle,
        stored, word,
    },
    harness::{Engine, RECONCILE_AFTER},
};

/// As it must be stored: looked after in time.
fn with_due_time(message: Message) -> Message {
    Message { due_time: Some(message.create_time + RECONCILE_AFTER), ..message }
}

async fn is_read_back(store: &dyn Store, new: Message) {
    assert_eq!(word(&commit(store, record(new.clone())).await), "recorded");
    assert_same(&stored(store, &new.id).await, &with_due_time(new));
}

fn full() -> Message {
    let labels = [("campaign", "봄"), ("team", "crm"), ("", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    Message {
        request_id: "order-1/확인".to_owned(),
        labels: BTreeMap::from(labels),
        route: route("sendtalk", "acct_acme", "default"),
        create_time: at(5),
        ..message("0193-full")
    }
}

fn mms(id: &str) -> Message {
    let text = TextContent {
        text: "사진\n둘째 줄".to_owned(),
        subject: "제목".to_owned(),
        opt_out_number: Some("0801234567".to_owned()),
    };
    let content = Content::Mms(MmsContent { text, images: vec![image(3), image(1), image(2)] });
    Message { id: id.to_owned(), channel: Channel::Mms, content, ..full() }
}

pub async fn every_field_of_a_text_is_read_back(engine: impl Engine) {
    let store = engine.open().await;
    is_read_back(&*store, full()).await;
    let content = TextContent {
        text: "(광고) 긴 글 \"따옴표\" 'x' \\ \u{0} 끝".replace('\u{0}', " "),
        subject: "제목".to_owned(),
        opt_out_number: Some("0801234567".to_owned()),
    };
    let long = Message {
        id: "0193-long".to_owned(),
        request_id: "order-2".to_owned(),
        channel: Channel::Lms,
        content: Content::Text(content),
        ..full()
    };
    is_read_back(&*store, long).await;
}

pub async fn every_field_of_an_mms_is_read_back(engine: impl Engine) {
    is_read_back(&*engine.open().await, mms("0193-mms")).await;
}

pub async fn every_field_of_an_alimtalk_is_read_back(engine: impl Engine) {
    let button = |kind, name: &str| Button {
        kind,
        name: name.to_owned(),
        mobile_url: "https://m.example".to_owned(),
        pc_url: "https://pc.example".to_owned(),
        ios_scheme: "app://ios".to_owned(),
        android_scheme: "app://android".to_owned(),
    };
    let content = Content::Alimtalk(AlimtalkContent {
        rendered: "홍길동님, 배송 시작".to_owned(),
        sender_profile: "@acme".to_owned(),
        template_code: "SHIPPED".to_owned(),
        content: "#{name}님, 배송 시작".to_owned(),
        variables: BTreeMap::from([("name".to_owned(), "홍길동".to_owned())]),
        title: "배송".to_owned(),
        buttons: vec![button(ButtonType::WebLink, "조회"), button(ButtonType::AppLink, "앱")],
        fallback: Some(FallbackText {
            sender: "15881234".to_owned(),
            subject: "안내".to_owned(),
            text: "배송 시작".to_owned(),
            lms: true,
            by_vendor: true,
        }),
    });
    let alimtalk = Message { channel: Channel::Alimtalk, sender: String::new(), content, ..full() };
    is_read_back(&*engine.open().await, alimtalk).await;
}

pub async fn an_accepted_message_is_read_back_with_its_receipt(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    assert_eq!(word(&commit(&*store, accepted("m1", "v1", 2)).await), "settled");
    let message = stored(&*store, "m1").await;
    let State::Queued(receipt) = &message.state else { panic!("not queued") };
    assert_eq!((receipt.provider_message_id.as_str(), receipt.accept_time), ("v1", at(2)));
    assert_eq!(kinds(&message), [EventKind::Recorded, EventKind::Accepted]);
    assert_eq!(message.due_time, Some(at(2) + RECONCILE_AFTER));
}

pub async fn a_refused_message_keeps_why(engine: impl Engine) {
    let store = engine.open().await;
    let why = failure(FailureCode::SenderRejected);
    commit(&*store, record(message("m1"))).await;
    commit(&*store, settle("m1", Settlement::Refused(why.clone()), 2)).await;
    let message = stored(&*store, "m1").await;
    assert_eq!(message.state, State::Failed { receipt: None, failure: why.clone(), result_time: at(2) });
    assert_eq!((kinds(&message).last(), message.due_time), (Some(&EventKind::Refused), None));
    assert_eq!(message.events.last().and_then(|event| event.failure.clone()), Some(why));
}

pub async fn a_send_in_doubt_is_in_doubt(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    commit(&*store, settle("m1", Settlement::InDoubt(failure(FailureCode::ProviderTimeout)), 2)).await;
    let message = stored(&*store, "m1").await;
    assert_eq!((message.state.status(), message.failure()), (Status::InDoubt, None));
    assert_eq!(kinds(&message), [EventKind::Recorded, EventKind::InDoubt]);
}

pub async fn a_failover_changes_the_way_and_the_sender_that_belongs_to_it(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(message("m1"))).await;
    let other = route("sendtalk", "acct_acme", "acme");
    let failover = |sender| Settlement::Failover {
        route: other.clone(),
        sender,
        failure: failure(FailureCode::CredentialsRejected),
    };
    store.commit(vec![record(message("m2")), settle("m2", failover(Some("16001234".to_owned())), 2)]).await.unwrap();
    assert_eq!(stored(&*store, "m2").await.sender, "16001234");
    commit(&*store, settle("m1", failover(None), 2)).await;
    let (before, message) = (message("m1"), stored(&*store, "m1").await);
    assert_eq!(message.sender, before.sender);
    assert_eq!((message.route.clone(), message.state.status()), (other, Status::Requested));
    assert_eq!(kinds(&message), [EventKind::Recorded, EventKind::Failover]);
    assert_eq!(message.due_time, Some(at(2) + RECONCILE_AFTER));
}

pub async fn images_are_kept_while_the_message_is_open_and_then_gone(engine: impl Engine) {
    let store = engine.open().await;
    commit(&*store, record(mms("m1"))).await;
    commit(&*store, accepted("m1", "v1", 1)).await;
    assert_eq!(stored(&*store, "m1").await.content.images().len(), 3, "it may have to be sent again");
    let update = switchboard_dispatcher::store::StatusUpdate {
        provider: "sendtalk".to_owned(),
        provider_account: "acct_acme".to_owned(),
        organization_ids: Vec::new(),
        ..report_for("m1", "v1", ReportedStatus::Delivered, 2)
    };
    commit(&*store, reported(update)).await;
    let message = stored(&*store, "m1").await;
    assert_eq!(message.state.status(), Status::Delivered);
    assert!(message.content.images().is_empty());
    assert_eq!(message.content.body(), "사진\n둘째 줄", "the text is history and stays");
    assert_eq!(engine.rows("message_images").await, 0);
}

pub async fn a_message_recorded_and_finished_in_one_batch_is_whole(engine: impl Engine) {
    let store = engine.open().await;
    let batch = vec![
        record(message("m1")),
        accepted("m1", "v1", 1),
        reported(report_for("m1", "v1", ReportedStatus::Sent, 2)),
        reported(report_for("m1", "v1", ReportedStatus::Delivered, 3)),
        record(Message { organization_id: "other".to_owned(), ..message("m2") }),
    ];
    let words: Vec<_> = store.commit(batch).await.unwrap().iter().map(word).collect();
    assert_eq!(words, ["recorded", "settled", "reported", "reported", "recorded"], "in the order of the writes");
    let message = stored(&*store, "m1").await;
    assert_eq!(message.state.receipt().map(|receipt| receipt.provider_message_id.as_str()), Some("v1"));
    assert_eq!(message.state.result_time(), Some(at(3)));
    use EventKind::{Accepted, Recorded, Reported};
    assert_eq!(kinds(&message), [Recorded, Accepted, Reported, Reported]);
    assert_eq!(message.events[3].record_time - message.events[3].occur_time, TimeDelta::seconds(1));
}

pub async fn what_a_vendor_calls_a_message_is_kept_to_the_letter(engine: impl Engine) {
    let store = engine.open().await;
    for (id, theirs) in [("m1", "000123"), ("m2", "AbC-ß/ 한 "), ("m3", "1e5"), ("m4", "123")] {
        commit(&*store, record(message(id))).await;
        commit(&*store, accepted(id, theirs, 1)).await;
        let message = stored(&*store, id).await;
        assert_eq!(message.state.receipt().map(|receipt| receipt.provider_message_id.as_str()), Some(theirs));
    }
}

pub async fn what_does_not_exist_is_not_found(engine: impl Engine) {
    let store = engine.open().await;
    assert!(store.message("nobody").await.unwrap().is_none());
    assert!(store.by_request_id("acme", "nothing").await.unwrap().is_none());
    assert_eq!(word(&commit(&*store, accepted("nobody", "v1", 1)).await), "missing");
    assert_eq!(engine.rows("messages").await, 0);
    store.ping().await.unwrap();
}
