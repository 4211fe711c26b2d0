//! Callers that hang up, are in a hurry, or are too many.

use std::time::Duration;

use switchboard_proto::dispatch::v1::{MessageStatus, SendSmsRequest};
use switchboard_runtime::Lifecycle;
use switchboard_vendor_sim::Fault;
use tonic::{Code, Request};

use super::harness::{Seen as _, World, sms};
use crate::support::eventually;

#[tokio::test]
async fn a_message_whose_caller_hangs_up_goes_on_to_its_end() {
    let world = World::start().await;
    world.vendors.cloudmsg().next_send(Fault::Delay { ms: 500, accept_first: true });
    let sender = world.sender();
    let caller = Lifecycle::new().spawn_detached("caller", async move { sender.sms(sms("hanbit", "글")).await });
    world.vendors.cloudmsg().has_message().await;
    caller.abort();
    let message = eventually("the message is accepted", async || {
        let messages = world.sender().all("hanbit").await;
        messages.into_iter().find(|message| message.status() == MessageStatus::Queued)
    })
    .await;
    assert_eq!(message.provider_message_id, world.vendors.cloudmsg().only_message().message_id);
}

#[tokio::test]
async fn what_cannot_be_finished_in_time_is_not_begun() {
    let world = World::start().await;
    for _ in 0..10 {
        let mut request = Request::new(sms("hanbit", "글"));
        request.set_timeout(Duration::from_millis(15));
        let refused = world.sender().sms(request).await.unwrap_err();
        // The server's refusal and the client's own clock race each other.
        assert!(matches!(refused.code, Code::DeadlineExceeded | Code::Cancelled), "{refused:?}");
    }
    let patient = world.sender().sms(sms("hanbit", "느긋한 글")).await.unwrap();
    let recorded: Vec<_> = world.sender().all("hanbit").await.into_iter().map(|message| message.message_id).collect();
    assert_eq!(recorded, [patient.message_id], "nothing else was recorded");
    world.vendors.cloudmsg().only_message();
}

#[tokio::test]
async fn a_deadline_that_leaves_time_is_kept() {
    let world = World::start().await;
    let mut request = Request::new(sms("hanbit", "글"));
    request.set_timeout(Duration::from_secs(15));
    assert_eq!(world.sender().sms(request).await.unwrap().status(), MessageStatus::Queued);
}

#[tokio::test]
async fn a_full_lane_refuses_early_and_records_nothing() {
    let world = World::configured(|config| {
        config.account_concurrency = 1;
        config.account_queue = 0;
    })
    .await;
    world.vendors.cloudmsg().next_send(Fault::Delay { ms: 1000, accept_first: true });
    let request = SendSmsRequest { request_id: "r1".to_owned(), ..sms("hanbit", "글") };
    let sender = world.sender();
    let (first, ()) = tokio::join!(sender.sms(request.clone()), async {
        world.vendors.cloudmsg().has_message().await;
        let refused = world.sender().sms(sms("hanbit", "둘째 글")).await.unwrap_err();
        refused.assert(Code::ResourceExhausted, "OVERLOADED");
        assert!(refused.retry, "it says when to come again");
        let other = world.sender().sms(sms("narae", "글")).await.unwrap();
        assert_eq!(other.status(), MessageStatus::Queued, "another account is not held up");
        let repeat = world.sender().sms(request.clone()).await.unwrap();
        assert_eq!(repeat.status(), MessageStatus::Requested, "a repeat needs no place");
    });
    assert_eq!(first.unwrap().status(), MessageStatus::Queued);
    assert_eq!(world.sender().all("hanbit").await.len(), 1);
    world.vendors.cloudmsg().only_message();
    let later = world.sender().sms(sms("hanbit", "둘째 글")).await.unwrap();
    assert_eq!(later.status(), MessageStatus::Queued, "the place is free again");
}

#[tokio::test]
async fn a_send_waits_for_a_place_and_no_longer_than_it_may() {
    let world = World::configured(|config| {
        config.account_concurrency = 1;
        config.account_queue = 1;
        config.queue_wait = Duration::from_millis(100);
    })
    .await;
    world.vendors.cloudmsg().next_send(Fault::Delay { ms: 2000, accept_first: true });
    let sender = world.sender();
    let (first, ()) = tokio::join!(sender.sms(sms("hanbit", "글")), async {
        world.vendors.cloudmsg().has_message().await;
        let refused = world.sender().sms(sms("hanbit", "둘째 글")).await.unwrap_err();
        refused.assert(Code::ResourceExhausted, "OVERLOADED");
    });
    assert_eq!(first.unwrap().status(), MessageStatus::Queued);
    assert_eq!(world.sender().all("hanbit").await.len(), 1);
}
