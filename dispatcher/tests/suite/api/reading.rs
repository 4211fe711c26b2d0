//! Reading messages back.

use chrono::TimeDelta;
use prost_types::{Duration, Timestamp};
use switchboard_proto::{
    common::v1::Channel,
    dispatch::v1::{ListMessagesRequest, MessageFilter, MessageStatus, SendSmsRequest},
};
use switchboard_runtime::Clock as _;
use switchboard_vendor_sim::{Fault, demo::SENDTALK_HANBIT};
use tonic::Code;

use super::harness::{EntryExt as _, Seen as _, World, organization, sendtalk, sms};

fn page(size: i32, token: &str) -> ListMessagesRequest {
    ListMessagesRequest {
        organization_id: "hanbit".to_owned(),
        page_size: size,
        page_token: token.to_owned(),
        filter: None,
        with_events: false,
    }
}

#[tokio::test]
async fn a_message_is_read_back_with_its_timeline() {
    let world = World::start().await;
    let sent = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    let mut read = world.sender().get(&sent.message_id).await.unwrap();
    let timeline: Vec<_> = read.events.drain(..).map(|event| (event.sequence, event.kind, event.provider)).collect();
    let expected = [(1, "RECORDED", "cloudmsg"), (2, "ACCEPTED", "cloudmsg")];
    assert_eq!(timeline, expected.map(|(n, kind, vendor)| (n, kind.to_owned(), vendor.to_owned())));
    assert!(read.next_step.starts_with("waits for"), "{}", read.next_step);
    assert_eq!(read, sent, "and all else as it was answered");
}

#[tokio::test]
async fn a_message_that_does_not_exist_is_not_found() {
    let world = World::start().await;
    world.sender().get("0193-nobody").await.unwrap_err().assert(Code::NotFound, "MESSAGE_NOT_FOUND");
    let unnamed = world.sender().get("").await.unwrap_err();
    unnamed.assert(Code::InvalidArgument, "INVALID_FIELD");
    assert_eq!(unnamed.fields, ["message_id"]);
}

#[tokio::test]
async fn pages_hold_every_message_once_while_others_are_sent() {
    let world = World::start().await;
    let mut sent = Vec::new();
    for _ in 0..23 {
        sent.push(world.sender().sms(sms("hanbit", "글")).await.unwrap().message_id);
        world.advance(TimeDelta::milliseconds(1));
    }
    sent.reverse();
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let answer = world.sender().list(page(5, &token)).await.unwrap();
        assert!(answer.messages.len() <= 5);
        assert!(answer.messages.iter().all(|message| message.events.is_empty()), "timelines are not listed");
        seen.extend(answer.messages.into_iter().map(|message| message.message_id));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
        world.sender().sms(sms("hanbit", "새 글")).await.unwrap();
        world.advance(TimeDelta::milliseconds(1));
    }
    assert_eq!(seen, sent);
}

#[tokio::test]
async fn the_last_page_says_that_it_is_the_last() {
    let world = World::start().await;
    for _ in 0..4 {
        world.sender().sms(sms("hanbit", "글")).await.unwrap();
    }
    let exact = world.sender().list(page(4, "")).await.unwrap();
    assert_eq!((exact.messages.len(), exact.next_page_token.as_str()), (4, ""));
    let first = world.sender().list(page(3, "")).await.unwrap();
    let second = world.sender().list(page(3, &first.next_page_token)).await.unwrap();
    assert_eq!((second.messages.len(), second.next_page_token.as_str()), (1, ""));
    assert_eq!(world.sender().list(page(0, "")).await.unwrap().messages.len(), 4, "0: as many as usual");
}

#[tokio::test]
async fn a_page_token_belongs_to_its_own_query() {
    let world = World::start().await;
    for _ in 0..2 {
        world.sender().sms(sms("hanbit", "글")).await.unwrap();
    }
    let token = world.sender().list(page(1, "")).await.unwrap().next_page_token;
    let other_filter = MessageFilter { status: vec![MessageStatus::Queued.into()], ..MessageFilter::default() };
    let wrong = [
        page(1, "garbage"),
        page(1, &token[1..]),
        ListMessagesRequest { filter: Some(other_filter), ..page(1, &token) },
        ListMessagesRequest { organization_id: "narae".to_owned(), ..page(1, &token) },
    ];
    for request in wrong {
        world.sender().list(request).await.unwrap_err().assert(Code::InvalidArgument, "INVALID_PAGE_TOKEN");
    }
    assert_eq!(world.sender().list(page(1, &token)).await.unwrap().messages.len(), 1);
}

#[tokio::test]
async fn every_filter_narrows_the_list() {
    let world = World::start().await;
    let both =
        || vec![super::harness::cloudmsg(&switchboard_vendor_sim::demo::CLOUDMSG_HANBIT), sendtalk(&SENDTALK_HANBIT)];
    let time = |world: &World| Timestamp { seconds: world.clock.now().timestamp(), nanos: 0 };
    let old = world.sender().sms(sms("hanbit", "글")).await.unwrap().message_id;
    world.advance(TimeDelta::seconds(10));
    let middle = time(&world);
    let long = world.sender().sms(sms("hanbit", &"가".repeat(50))).await.unwrap().message_id;
    let request = SendSmsRequest { to: "010-9999-8888".to_owned(), ..sms("hanbit", "글") };
    world.vendors.cloudmsg().next_send(Fault::Refuse { code: "1004".to_owned() });
    let failed = world.sender().sms(request).await.unwrap().message_id;
    world.config.set(organization("hanbit", both()).primary("sendtalk")).await;
    world.advance(TimeDelta::seconds(10));
    let new = world.sender().sms(sms("hanbit", "글")).await.unwrap().message_id;

    let none = MessageFilter::default;
    let cases: Vec<(&str, MessageFilter, Vec<&String>)> = vec![
        ("none", none(), vec![&new, &failed, &long, &old]),
        ("status", MessageFilter { status: vec![MessageStatus::Failed.into()], ..none() }, vec![&failed]),
        ("vendor", MessageFilter { provider: "sendtalk".to_owned(), ..none() }, vec![&new]),
        ("recipient, as typed", MessageFilter { to: "010-9999-8888".to_owned(), ..none() }, vec![&failed]),
        ("kind", MessageFilter { channel: Channel::Lms.into(), ..none() }, vec![&long]),
        ("from", MessageFilter { create_time_after: Some(middle), ..none() }, vec![&new, &failed, &long]),
        ("before", MessageFilter { create_time_before: Some(middle), ..none() }, vec![&old]),
        (
            "unsettled for long",
            MessageFilter { unsettled_for: Some(Duration { seconds: 5, nanos: 0 }), ..none() },
            vec![&long, &old],
        ),
        (
            "several at once",
            MessageFilter {
                status: vec![MessageStatus::Queued.into(), MessageStatus::Failed.into()],
                provider: "cloudmsg".to_owned(),
                to: "+82 10 1234 5678".to_owned(),
                channel: Channel::Sms.into(),
                ..none()
            },
            vec![&old],
        ),
    ];
    for (name, filter, expected) in cases {
        let listed: Vec<_> =
            world.sender().filtered("hanbit", filter).await.into_iter().map(|message| message.message_id).collect();
        assert_eq!(listed.iter().collect::<Vec<_>>(), expected, "{name}");
    }
}

#[tokio::test]
async fn a_filter_that_makes_no_sense_is_refused_with_its_field() {
    let world = World::start().await;
    let none = MessageFilter::default;
    let wrong = [
        (MessageFilter { to: "abc".to_owned(), ..none() }, "filter.to"),
        (MessageFilter { status: vec![0], ..none() }, "filter.status"),
        (MessageFilter { unsettled_for: Some(Duration { seconds: -1, nanos: 0 }), ..none() }, "filter.unsettled_for"),
        (
            MessageFilter { create_time_after: Some(Timestamp { seconds: i64::MAX, nanos: 0 }), ..none() },
            "filter.create_time_after",
        ),
    ];
    for (filter, field) in wrong {
        let refused =
            world.sender().list(ListMessagesRequest { filter: Some(filter), ..page(1, "") }).await.unwrap_err();
        refused.assert(Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(refused.fields, [field]);
    }
    let nobody = ListMessagesRequest { organization_id: String::new(), ..page(1, "") };
    let refused = world.sender().list(nobody).await.unwrap_err();
    assert_eq!(refused.fields, ["organization_id"]);
}

#[tokio::test]
async fn a_negative_page_size_is_refused() {
    let world = World::start().await;
    let refused = world.sender().list(page(-1, "")).await.unwrap_err();
    assert_eq!((refused.code, &refused.fields[..]), (Code::InvalidArgument, &["page_size".to_owned()][..]));
}
