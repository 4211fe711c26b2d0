//! A repeated request is answered, not sent.

use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;
use switchboard_proto::dispatch::v1::{MessageStatus, Purpose, SendSmsRequest};
use switchboard_vendor_sim::Fault;
use switchboard_vendor_sim::demo::CLOUDMSG_HANBIT;
use tonic::Code;

use super::harness::{Resolve, Seen as _, World, alimtalk, cloudmsg, jpeg, mms, organization, sms};
use crate::support::eventually;

fn request(request_id: &str, text: &str) -> SendSmsRequest {
    SendSmsRequest { request_id: request_id.to_owned(), ..sms("hanbit", text) }
}

#[tokio::test]
async fn the_same_request_returns_the_first_message_and_sends_nothing() {
    let world = World::start().await;
    let first = world.sender().sms(request("r1", "글")).await.unwrap();
    let again = world.sender().sms(request("r1", "글")).await.unwrap();
    assert_eq!(again, first);
    // The same content, typed differently.
    let typed = SendSmsRequest { to: "+82 10 1234 5678".to_owned(), ..request("r1", "글") };
    assert_eq!(world.sender().sms(typed).await.unwrap().message_id, first.message_id);
    assert_eq!(world.vendors.cloudmsg().only_message().message_id, first.provider_message_id);
}

#[tokio::test]
async fn a_request_id_used_for_other_content_is_refused() {
    let world = World::start().await;
    let first = world.sender().sms(request("r1", "글")).await.unwrap();
    let others = [
        request("r1", "다른 글"),
        SendSmsRequest { to: "010-9999-8888".to_owned(), ..request("r1", "글") },
        SendSmsRequest { sender: "02-1600-5678".to_owned(), ..request("r1", "글") },
    ];
    for other in others {
        let refused = world.sender().sms(other).await.unwrap_err();
        refused.assert(Code::AlreadyExists, "REQUEST_ID_REUSED");
    }
    let mut other_kind = alimtalk("hanbit");
    other_kind.request_id = "r1".to_owned();
    let refused = world.sender().alimtalk(other_kind).await.unwrap_err();
    refused.assert(Code::AlreadyExists, "REQUEST_ID_REUSED");
    assert_eq!(world.sender().all("hanbit").await.len(), 1);
    assert_eq!(world.vendors.cloudmsg().only_message().message_id, first.provider_message_id);
}

#[tokio::test]
async fn every_kind_of_message_can_be_repeated() {
    let world = World::start().await;
    let mut picture = mms("hanbit", vec![jpeg(40, 30)]);
    picture.request_id = "r-mms".to_owned();
    let mut notice = alimtalk("hanbit");
    notice.request_id = "r-alimtalk".to_owned();
    for _ in 0..2 {
        world.sender().mms(picture.clone()).await.unwrap();
        world.sender().alimtalk(notice.clone()).await.unwrap();
    }
    assert_eq!(world.vendors.cloudmsg().sends(), 2);
    picture.images[0].data = jpeg(41, 30).into();
    let refused = world.sender().mms(picture).await.unwrap_err();
    refused.assert(Code::AlreadyExists, "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn organisations_may_use_the_same_request_id() {
    let world = World::start().await;
    let ours = world.sender().sms(request("r1", "글")).await.unwrap();
    let theirs = SendSmsRequest { organization_id: "narae".to_owned(), ..request("r1", "다른 글") };
    assert_ne!(world.sender().sms(theirs).await.unwrap().message_id, ours.message_id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_concurrent_repeats_one_is_sent() {
    let world = World::start().await;
    let repeats = (0..100).map(|_| world.sender()).map(|sender| async move { sender.sms(request("r1", "글")).await });
    let answers: Vec<_> = join_all(repeats).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.message_id == answers[0].message_id));
    assert_eq!(world.vendors.cloudmsg().only_message().reference.as_deref(), Some(answers[0].message_id.as_str()));
    assert_eq!(world.sender().all("hanbit").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_requests_with_one_id_and_different_content_one_is_sent() {
    let world = World::start().await;
    let texts: Vec<_> = (0..20).map(|n| format!("글 {n}")).collect();
    let answers = join_all(texts.iter().map(|text| {
        let sender = world.sender();
        async move { sender.sms(request("r1", text)).await }
    }))
    .await;
    let (sent, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((sent.len(), refused.len()), (1, 19));
    for refusal in refused {
        refusal.unwrap_err().assert(Code::AlreadyExists, "REQUEST_ID_REUSED");
    }
    world.vendors.cloudmsg().only_message();
}

#[tokio::test]
async fn a_repeat_while_the_first_is_under_way_gets_the_message_as_it_stands() {
    let world = World::start().await;
    world.vendors.cloudmsg().next_send(Fault::Delay { ms: 1000, accept_first: true });
    let sender = world.sender();
    let (first, again) = tokio::join!(sender.sms(request("r1", "글")), async {
        world.vendors.cloudmsg().has_message().await;
        world.sender().sms(request("r1", "글")).await
    });
    let (first, again) = (first.unwrap(), again.unwrap());
    assert_eq!((first.status(), again.status()), (MessageStatus::Queued, MessageStatus::Requested));
    assert_eq!(first.message_id, again.message_id);
    world.vendors.cloudmsg().only_message();
}

#[tokio::test]
async fn a_failed_message_is_repeated_as_failed() {
    let world = World::start().await;
    world.vendors.cloudmsg().next_send(Fault::Refuse { code: "1004".to_owned() });
    let failed = world.sender().sms(request("r1", "글")).await.unwrap();
    assert_eq!(failed.status(), MessageStatus::Failed);
    assert_eq!(world.sender().sms(request("r1", "글")).await.unwrap(), failed);
    assert_eq!(world.vendors.cloudmsg().sends(), 1);
}

#[tokio::test]
async fn a_repeat_is_answered_although_the_mapping_is_broken_now() {
    let world = World::start().await;
    let first = world.sender().sms(request("r1", "글")).await.unwrap();
    let mut broken = organization("hanbit", vec![cloudmsg(&CLOUDMSG_HANBIT)]);
    broken.accounts.clear();
    world.config.set(broken).await;
    world.sender().sms(request("r2", "글")).await.unwrap_err().assert(Code::Unavailable, "CONFIG_UNAVAILABLE");
    assert_eq!(world.sender().sms(request("r1", "글")).await.unwrap(), first);
    let reused = world.sender().sms(request("r1", "다른 글")).await.unwrap_err();
    reused.assert(Code::AlreadyExists, "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn a_repeat_is_answered_although_config_service_is_long_gone() {
    let world = World::configured(|config| {
        config.cache_ttl = Duration::ZERO;
        config.max_stale = Duration::ZERO;
    })
    .await;
    let first = world.sender().sms(request("r1", "글")).await.unwrap();
    world.config.resolve(Resolve::Refuse);
    world.config.cut();
    eventually("new messages are refused", async || {
        world.sender().sms(sms("hanbit", "새 글")).await.err().filter(|error| error.reason == "CONFIG_UNAVAILABLE")
    })
    .await;
    assert_eq!(world.sender().sms(request("r1", "글")).await.unwrap(), first);
}

#[tokio::test]
async fn a_repeat_is_answered_at_night_if_it_is_one() {
    let world = World::start().await;
    let text = "(광고) 봄 세일 무료수신거부 080-123-4567";
    let advertisement = |text: &str| SendSmsRequest { purpose: Purpose::Advertisement.into(), ..request("r1", text) };
    let first = world.sender().sms(advertisement(text)).await.unwrap();
    world.advance(TimeDelta::hours(10));
    assert_eq!(world.sender().sms(advertisement(text)).await.unwrap(), first);
    let other = world.sender().sms(advertisement(&text.replace('봄', "여름"))).await.unwrap_err();
    other.assert(Code::AlreadyExists, "REQUEST_ID_REUSED");
    let broken = world.sender().sms(advertisement("봄 세일")).await.unwrap_err();
    broken.assert(Code::InvalidArgument, "AD_RULES");
    world.vendors.cloudmsg().only_message();
}

#[tokio::test]
async fn a_repeat_after_a_restart_gets_the_first_message() {
    let mut world = World::start().await;
    let first = world.sender().sms(request("r1", "글")).await.unwrap();
    world.restart().await;
    assert_eq!(world.sender().sms(request("r1", "글")).await.unwrap(), first);
    world.vendors.cloudmsg().only_message();
}
