//! The least that a case needs to speak of messages, and how two of them are compared.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use switchboard_dispatcher::{
    message::{Content, Event, EventKind, Message, MmsContent, Report, Route, Settlement, State, Status, TextContent},
    store::{NewMessage, StatusOutcome, StatusUpdate, Store, Terms, Write, Written},
};
use switchboard_providers::model::{Channel, Failure, FailureCode, Image, ReportedStatus};

/// Terms that keep everything.
pub const KEEP: Terms = Terms {
    texts: DateTime::UNIX_EPOCH,
    messages: DateTime::UNIX_EPOCH,
    request_ids: DateTime::UNIX_EPOCH,
    parked: DateTime::UNIX_EPOCH,
    quarantined: DateTime::UNIX_EPOCH,
    months: true,
};

/// Some seconds after the beginning of a case.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_000_000, 123_456_000).unwrap() + TimeDelta::seconds(seconds)
}

/// A message of the organisation `acme`, just asked for.
pub fn message(id: &str) -> Message {
    Message {
        id: id.to_owned(),
        organization_id: "acme".to_owned(),
        request_id: String::new(),
        channel: Channel::Sms,
        to: "+821012345678".to_owned(),
        sender: "15881234".to_owned(),
        content: Content::Text(TextContent {
            text: "안녕하세요".to_owned(),
            subject: String::new(),
            opt_out_number: None,
        }),
        labels: BTreeMap::new(),
        route: route("cloudmsg", "svc-acme", "acme"),
        state: State::Requested,
        events: vec![Event {
            kind: EventKind::Recorded,
            status: Status::Requested,
            occur_time: at(0),
            record_time: at(0),
            provider: "cloudmsg".to_owned(),
            detail: String::new(),
            failure: None,
        }],
        fallback_message_id: String::new(),
        create_time: at(0),
        due_time: None,
        checks: 0,
    }
}

/// The same with two images.
pub fn mms(id: &str) -> Message {
    let text = TextContent { text: "사진".to_owned(), subject: "제목".to_owned(), opt_out_number: None };
    let content = Content::Mms(MmsContent { text, images: vec![image(1), image(2)] });
    Message { channel: Channel::Mms, content, ..message(id) }
}

pub fn route(provider: &str, account: &str, owner: &str) -> Route {
    Route {
        provider: provider.to_owned(),
        provider_account: account.to_owned(),
        account_organization_id: owner.to_owned(),
        config_revision: 41,
        provider_config_version: 3,
    }
}

pub fn image(byte: u8) -> Image {
    Image::from_storage(Bytes::from(vec![byte; 1000]), 640, 480)
}

pub fn failure(code: FailureCode) -> Failure {
    Failure::new(code, "2003", "the phone is switched off", true)
}

/// Asks for a message; requests with the same `content` are the same.
pub fn record_as(message: Message, content: u8) -> Write {
    Write::Record(Box::new(NewMessage { message, fingerprint: [content; 32] }))
}

pub fn record(message: Message) -> Write {
    record_as(message, 1)
}

pub fn settle(id: &str, settlement: Settlement, seconds: i64) -> Write {
    Write::Settle { message_id: id.to_owned(), settlement, at: at(seconds) }
}

pub fn accepted(id: &str, provider_message_id: &str, seconds: i64) -> Write {
    let provider_message_id = provider_message_id.to_owned();
    settle(id, Settlement::Accepted { provider_message_id, accept_time: Some(at(seconds)) }, seconds)
}

/// What CloudMsg says about a message of `svc-acme`, by its own id alone.
pub fn report(provider_message_id: &str, status: ReportedStatus, seconds: i64) -> StatusUpdate {
    let failed = status == ReportedStatus::Failed;
    StatusUpdate {
        provider: "cloudmsg".to_owned(),
        provider_account: "svc-acme".to_owned(),
        organization_ids: vec!["acme".to_owned()],
        client_reference: String::new(),
        event_key: format!("cloudmsg:{provider_message_id}:{status:?}:{seconds}"),
        report: Report {
            provider_message_id: provider_message_id.to_owned(),
            status: Some(status),
            provider_status: format!("{status:?}"),
            failure: failed.then(|| failure(FailureCode::RecipientUnreachable)),
            occur_time: at(seconds),
            fallback: String::new(),
        },
        at: at(seconds + 1),
    }
}

/// The same with our reference.
pub fn report_for(id: &str, provider_message_id: &str, status: ReportedStatus, seconds: i64) -> StatusUpdate {
    StatusUpdate { client_reference: id.to_owned(), ..report(provider_message_id, status, seconds) }
}

pub fn reported(update: StatusUpdate) -> Write {
    Write::Report(Box::new(update))
}

/// Commits one write alone.
pub async fn commit(store: &dyn Store, write: Write) -> Written {
    let mut written = store.commit(vec![write]).await.unwrap();
    assert_eq!(written.len(), 1);
    written.remove(0)
}

/// Commits one report alone; what became of it, and where the message stands.
pub async fn tell(store: &dyn Store, update: StatusUpdate) -> (StatusOutcome, Option<Status>) {
    outcome(&commit(store, reported(update)).await)
}

pub fn outcome(written: &Written) -> (StatusOutcome, Option<Status>) {
    match written {
        Written::Reported { outcome, status, .. } => (*outcome, *status),
        other => panic!("not a report: {}", word(other)),
    }
}

/// The id of the message that a record found.
pub fn existing(written: &Written) -> &str {
    match written {
        Written::Existing(message) => &message.id,
        other => panic!("not a repeat: {}", word(other)),
    }
}

/// A write's result as a word, for assertions.
pub fn word(written: &Written) -> &'static str {
    match written {
        Written::Recorded(_) => "recorded",
        Written::Existing(_) => "existing",
        Written::RequestIdReused { .. } => "reused",
        Written::Settled { .. } => "settled",
        Written::ClaimLost => "claim lost",
        Written::Missing => "missing",
        Written::Reported { .. } => "reported",
    }
}

/// The message as it is stored.
pub async fn stored(store: &dyn Store, id: &str) -> Message {
    store.message(id).await.unwrap().unwrap_or_else(|| panic!("there is no message {id}"))
}

pub fn kinds(message: &Message) -> Vec<EventKind> {
    message.events.iter().map(|event| event.kind).collect()
}

/// Every field is the same. A new field of a message does not compile until it is compared here.
pub fn assert_same(left: &Message, right: &Message) {
    let Message {
        id,
        organization_id,
        request_id,
        channel,
        to,
        sender,
        content,
        labels,
        route,
        state,
        events,
        fallback_message_id,
        create_time,
        due_time,
        checks,
    } = left;
    assert_eq!(
        (id, organization_id, request_id, channel, to, sender),
        (&right.id, &right.organization_id, &right.request_id, &right.channel, &right.to, &right.sender)
    );
    assert_eq!((content.body(), content.details()), (right.content.body(), right.content.details()));
    assert!(content.images() == right.content.images(), "the images differ");
    assert_eq!((labels, route, state, events), (&right.labels, &right.route, &right.state, &right.events));
    assert_eq!(
        (fallback_message_id, create_time, due_time, checks),
        (&right.fallback_message_id, &right.create_time, &right.due_time, &right.checks)
    );
}
