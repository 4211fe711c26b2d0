//! Messages that stay open are looked after: the vendor is asked, and what it says settles them.

use std::time::Duration;

use chrono::TimeDelta;
use switchboard_dispatcher::Config;
use switchboard_proto::dispatch::v1::{
    Fallback, Message, MessageStatus, Purpose, SendAlimtalkRequest, SendSmsRequest, StatusOutcome,
};
use switchboard_runtime::Lifecycle;
use switchboard_vendor_sim::{
    Callbacks, Fault, FaultMatch, FaultRule, Operation, Outcome, OutcomeRule, RetryAfterForm, VendorHandle,
};

use super::harness::{Seen as _, World, alimtalk, jpeg, mms, report, sms};
use crate::support::eventually;

/// A world in which open messages are looked after as soon as the clock is moved.
async fn world() -> World {
    World::configured(quick).await
}

fn quick(config: &mut Config) {
    config.send_timeout = Duration::from_secs(1);
    config.reconcile_after = Duration::from_millis(800);
    config.retry_for = Duration::ZERO;
    // The clock is moved while sends are under way: none of them has stood still.
    config.queue_wait = Duration::from_mins(10);
}

/// Lets time pass until the message stands so.
async fn passes(world: &World, message_id: &str, status: MessageStatus) -> Message {
    eventually(&format!("the message becomes {status:?}"), async || {
        world.advance(TimeDelta::seconds(5));
        let message = world.sender().get(message_id).await.unwrap();
        (message.status() == status).then_some(message)
    })
    .await
}

fn kinds(message: &Message) -> Vec<&str> {
    message.events.iter().map(|event| event.kind.as_str()).collect()
}

fn look_ups(vendor: &VendorHandle) -> usize {
    vendor.journal().requests.iter().filter(|request| request.operation == Operation::LookUp).count()
}

#[tokio::test]
async fn what_the_vendor_had_accepted_is_found_and_never_sent_again() {
    let world = world().await;
    for (organization, vendor) in [("hanbit", world.vendors.cloudmsg()), ("narae", world.vendors.sendtalk())] {
        vendor.next_send(Fault::Hang { accept: true });
        let message = world.sender().sms(sms(organization, "글")).await.unwrap();
        assert_eq!(message.status(), MessageStatus::InDoubt);
        let settled = passes(&world, &message.message_id, MessageStatus::Delivered).await;
        assert_eq!(settled.provider_message_id, vendor.messages()[0].message_id);
        assert_eq!((vendor.sends(), vendor.messages().len()), (1, 1), "{organization}: one delivery");
    }
}

#[tokio::test]
async fn what_the_vendor_proves_not_to_have_is_sent_once_more() {
    let world = world().await;
    for (organization, vendor) in [("hanbit", world.vendors.cloudmsg()), ("narae", world.vendors.sendtalk())] {
        vendor.next_send(Fault::Hang { accept: false });
        let message = world.sender().sms(sms(organization, "글")).await.unwrap();
        assert_eq!(message.status(), MessageStatus::InDoubt);
        let settled = passes(&world, &message.message_id, MessageStatus::Delivered).await;
        assert_eq!((vendor.sends(), vendor.messages().len()), (2, 1), "{organization}");
        assert_eq!(kinds(&settled)[..4], ["RECORDED", "IN_DOUBT", "RESENT", "ACCEPTED"]);
    }
}

#[tokio::test]
async fn an_mms_that_is_sent_once_more_has_its_images() {
    let world = world().await;
    let vendor = world.vendors.sendtalk();
    vendor.next_send(Fault::Hang { accept: false });
    let message = world.sender().mms(mms("narae", vec![jpeg(40, 30), jpeg(20, 10)])).await.unwrap();
    assert_eq!(message.status(), MessageStatus::InDoubt);
    passes(&world, &message.message_id, MessageStatus::Delivered).await;
    let sent = vendor.messages();
    assert_eq!((sent.len(), sent[0].images.len()), (1, 2));
}

#[tokio::test]
async fn what_finds_no_place_with_its_vendor_is_not_booked_as_sent_again() {
    let world = World::configured(|config| {
        quick(config);
        config.send_timeout = Duration::from_secs(3);
        (config.account_concurrency, config.account_queue) = (1, 0);
    })
    .await;
    let vendor = world.vendors.cloudmsg();
    vendor.next_send(Fault::Hang { accept: false });
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    assert_eq!(message.status(), MessageStatus::InDoubt);
    vendor.next_send(Fault::Hang { accept: true });
    let sender = world.sender();
    let other = Lifecycle::new().spawn_detached("other", async move { sender.sms(sms("hanbit", "다른 글")).await });
    eventually("it is known that the vendor does not have it", async || {
        world.advance(TimeDelta::seconds(5));
        (look_ups(&vendor) >= 2).then_some(())
    })
    .await;
    assert!(!other.is_finished(), "the only place was taken meanwhile");
    let settled = passes(&world, &message.message_id, MessageStatus::Delivered).await;
    assert_eq!(kinds(&settled)[..4], ["RECORDED", "IN_DOUBT", "RESENT", "ACCEPTED"]);
}

#[tokio::test]
async fn an_advertisement_that_the_vendor_never_had_waits_for_the_day() {
    let world = world().await;
    let vendor = world.vendors.cloudmsg();
    vendor.next_send(Fault::Hang { accept: false });
    let text = "(광고) 봄 세일 무료수신거부 080-123-4567";
    let advertisement = SendSmsRequest { purpose: Purpose::Advertisement.into(), ..sms("hanbit", text) };
    let message = world.sender().sms(advertisement).await.unwrap();
    assert_eq!(message.status(), MessageStatus::InDoubt);
    // 22:00 in Korea.
    world.advance(TimeDelta::hours(10));
    eventually("it is looked up at night", async || {
        world.advance(TimeDelta::seconds(60));
        (look_ups(&vendor) >= 2).then_some(())
    })
    .await;
    assert_eq!(vendor.sends(), 1);
    // After 08:00.
    world.advance(TimeDelta::hours(10));
    passes(&world, &message.message_id, MessageStatus::Delivered).await;
    assert_eq!(vendor.sends(), 2);
}

#[tokio::test]
async fn what_the_vendor_never_had_is_not_sent_a_day_late() {
    let world = world().await;
    let vendor = world.vendors.cloudmsg();
    vendor.next_send(Fault::Hang { accept: false });
    let message = world.sender().sms(sms("hanbit", "인증번호 1234")).await.unwrap();
    assert_eq!(message.status(), MessageStatus::InDoubt);
    world.advance(TimeDelta::hours(25));
    let failed = passes(&world, &message.message_id, MessageStatus::Failed).await;
    assert_eq!((failed.failure.unwrap().code.as_str(), vendor.sends()), ("EXPIRED", 1));
}

#[tokio::test]
async fn what_a_vendor_says_in_words_of_its_own_does_not_stay_in_doubt_for_ever() {
    let world = world().await;
    let vendor = world.vendors.cloudmsg();
    vendor.next_send(Fault::Hang { accept: true });
    let request = SendSmsRequest { to: "010-0000-9007".to_owned(), ..sms("hanbit", "글") };
    let message = world.sender().sms(request).await.unwrap();
    assert_eq!(message.status(), MessageStatus::InDoubt);
    world.advance(TimeDelta::hours(25));
    passes(&world, &message.message_id, MessageStatus::Unresolved).await;
}

#[tokio::test]
async fn a_process_that_has_stood_still_does_not_call_the_vendor_any_more() {
    let world = World::configured(|config| config.retry_for = Duration::from_secs(10)).await;
    let vendor = world.vendors.cloudmsg();
    // It is told when to come again, so that the clock is moved before it does.
    vendor.next_send(Fault::Throttle { after_s: 2, form: RetryAfterForm::Native });
    let sender = world.sender();
    let sending = Lifecycle::new().spawn_detached("caller", async move { sender.sms(sms("hanbit", "글")).await });
    eventually("the vendor has been called", async || (vendor.sends() == 1).then_some(())).await;
    // By now another process may have found out that the vendor does not have it.
    world.advance(TimeDelta::hours(1));
    let message = sending.await.unwrap().unwrap();
    assert_eq!((message.status(), vendor.sends()), (MessageStatus::Failed, 1));
}

#[tokio::test]
async fn nobody_is_told_of_a_failure_that_is_not_stored_since_the_message_is_sent_once_more() {
    let world = world().await;
    let vendor = world.vendors.cloudmsg();
    world.break_updates().await;
    vendor.next_send(Fault::NotAccepted);
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    assert_eq!((message.status(), message.failure), (MessageStatus::Requested, None));
    world.mend_updates().await;
    passes(&world, &message.message_id, MessageStatus::Delivered).await;
    assert_eq!((vendor.sends(), vendor.messages().len()), (2, 1));
}

#[tokio::test]
async fn what_was_accepted_and_is_not_stored_is_told_and_found() {
    let world = world().await;
    let vendor = world.vendors.cloudmsg();
    vendor.add_outcome(OutcomeRule { outcome: Outcome::with_callbacks(Callbacks::Lost), ..OutcomeRule::default() });
    world.break_updates().await;
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    assert_eq!(message.status(), MessageStatus::Queued);
    let stored = world.sender().get(&message.message_id).await.unwrap();
    assert_eq!(stored.status(), MessageStatus::Requested);
    world.mend_updates().await;
    let found = passes(&world, &message.message_id, MessageStatus::Delivered).await;
    assert_eq!(found.provider_message_id, message.provider_message_id);
    assert_eq!((vendor.sends(), vendor.messages().len()), (1, 1));
}

#[tokio::test]
async fn a_failed_look_up_leaves_the_message_in_doubt() {
    let world = world().await;
    let vendor = world.vendors.cloudmsg();
    let look_up = FaultMatch { operation: Some(Operation::LookUp), ..FaultMatch::default() };
    let broken = Fault::ServerError { accept: false, status: 500, retry_after_s: None };
    vendor.add_fault(FaultRule::always(broken, look_up));
    vendor.next_send(Fault::Hang { accept: true });
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    eventually("it is looked up again and again", async || {
        world.advance(TimeDelta::seconds(10));
        (look_ups(&vendor) >= 3).then_some(())
    })
    .await;
    let read = world.sender().get(&message.message_id).await.unwrap();
    assert_eq!((read.status(), vendor.sends()), (MessageStatus::InDoubt, 1));
}

#[tokio::test]
async fn a_result_that_is_never_reported_is_asked_for() {
    let world = world().await;
    for (organization, vendor) in [("hanbit", world.vendors.cloudmsg()), ("narae", world.vendors.sendtalk())] {
        vendor.add_outcome(OutcomeRule { outcome: Outcome::with_callbacks(Callbacks::Lost), ..OutcomeRule::default() });
        let message = world.sender().sms(sms(organization, "글")).await.unwrap();
        assert_eq!(message.status(), MessageStatus::Queued);
        passes(&world, &message.message_id, MessageStatus::Delivered).await;
    }
}

#[tokio::test]
async fn past_the_horizon_a_message_is_unresolved_and_a_late_result_still_counts() {
    let world = world().await;
    let mut request = sms("hanbit", "글");
    request.to = "010-0000-9002".to_owned();
    let message = world.sender().sms(request).await.unwrap();
    world.advance(TimeDelta::hours(25));
    let open = passes(&world, &message.message_id, MessageStatus::Unresolved).await;
    assert_eq!((open.failure.clone(), open.result_time), (None, None), "nobody has said that it failed");
    assert!(open.next_step.contains("late"), "{}", open.next_step);
    let late = report("cloudmsg", &message.provider_account, &message.message_id, MessageStatus::Delivered);
    assert_eq!(world.gateway().tell(late).await, StatusOutcome::Applied);
    let read = world.sender().get(&message.message_id).await.unwrap();
    assert_eq!(read.status(), MessageStatus::Delivered);
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_call_sends_nothing_twice() {
    let mut world = world().await;
    world.vendors.cloudmsg().next_send(Fault::Hang { accept: true });
    let sender = world.sender();
    let caller = Lifecycle::new().spawn_detached("caller", async move { sender.sms(sms("hanbit", "글")).await });
    let seen = world.vendors.cloudmsg().has_message().await;
    world.restart().await;
    caller.abort();
    let message_id = seen.reference.unwrap();
    assert!(world.sender().get(&message_id).await.is_ok(), "what reached the vendor is in the history");
    passes(&world, &message_id, MessageStatus::Delivered).await;
    assert_eq!((world.vendors.cloudmsg().sends(), world.vendors.cloudmsg().messages().len()), (1, 1));
}

#[tokio::test]
async fn a_restart_replays_nothing_that_was_sent() {
    let mut world = world().await;
    for _ in 0..5 {
        world.sender().sms(sms("hanbit", "글")).await.unwrap();
    }
    world.restart().await;
    for message in world.sender().all("hanbit").await {
        passes(&world, &message.message_id, MessageStatus::Delivered).await;
    }
    assert_eq!((world.vendors.cloudmsg().sends(), world.vendors.cloudmsg().messages().len()), (5, 5));
}

#[tokio::test]
async fn an_alimtalk_that_the_vendor_refuses_becomes_a_text() {
    let world = world().await;
    let request = SendAlimtalkRequest {
        fallback: Some(Fallback { text: "발송되었습니다".to_owned(), ..Fallback::default() }),
        ..alimtalk("hanbit")
    };
    world.vendors.cloudmsg().next_send(Fault::Refuse { code: "1006".to_owned() });
    let parent = world.sender().alimtalk(request).await.unwrap();
    assert_eq!(parent.status(), MessageStatus::Failed);
    assert!(!parent.fallback_message_id.is_empty(), "the caller is told at once");
    let child = eventually("the text is sent", async || {
        let child = world.sender().get(&parent.fallback_message_id).await.unwrap();
        (child.status() == MessageStatus::Queued).then_some(child)
    })
    .await;
    assert_eq!((&child.to, child.provider.as_str()), (&parent.to, "cloudmsg"));
    let texts: Vec<_> = world.vendors.cloudmsg().messages().into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["발송되었습니다"]);
}

#[tokio::test]
async fn a_text_in_place_of_an_alimtalk_is_sent_once_even_when_its_sender_dies() {
    let mut world = world().await;
    let vendor = world.vendors.cloudmsg();
    let request = SendAlimtalkRequest {
        fallback: Some(Fallback { text: "발송되었습니다".to_owned(), ..Fallback::default() }),
        ..alimtalk("hanbit")
    };
    vendor.next_send(Fault::Refuse { code: "1006".to_owned() });
    vendor.next_send(Fault::Hang { accept: true });
    let parent = world.sender().alimtalk(request).await.unwrap();
    assert_eq!(parent.status(), MessageStatus::Failed);
    let text = vendor.has_message().await;
    world.restart().await;
    assert_eq!(text.reference.as_ref(), Some(&parent.fallback_message_id));
    passes(&world, &parent.fallback_message_id, MessageStatus::Delivered).await;
    assert_eq!(vendor.messages().len(), 1, "one text, and no Alimtalk");
    let read = world.sender().get(&parent.message_id).await.unwrap();
    assert_eq!(read.fallback_message_id, parent.fallback_message_id);
}

#[tokio::test]
async fn an_alimtalk_whose_text_the_vendor_sends_gets_none_from_us() {
    let world = world().await;
    let request = SendAlimtalkRequest {
        fallback: Some(Fallback { text: "발송되었습니다".to_owned(), ..Fallback::default() }),
        ..alimtalk("hanbit")
    };
    let parent = world.sender().alimtalk(request).await.unwrap();
    assert_eq!(parent.status(), MessageStatus::Queued);
    let failed = report("cloudmsg", &parent.provider_account, &parent.message_id, MessageStatus::Failed);
    assert_eq!(world.gateway().tell(failed.clone()).await, StatusOutcome::Applied);
    assert_eq!(world.gateway().tell(failed).await, StatusOutcome::Duplicate);
    let read = world.sender().get(&parent.message_id).await.unwrap();
    assert_eq!((read.status(), read.fallback_message_id.as_str()), (MessageStatus::Failed, ""));
    assert_eq!((world.sender().all("hanbit").await.len(), world.vendors.cloudmsg().sends()), (1, 1));
}

#[tokio::test]
async fn what_happens_next_and_when_is_told_until_the_message_is_final() {
    let world = World::configured(|config| {
        config.reconcile_after = Duration::from_secs(2);
        config.result_horizon = Duration::from_secs(3600);
    })
    .await;
    let mut request = sms("hanbit", "글");
    request.to = "010-0000-9002".to_owned();
    let seconds = |time: &Option<prost_types::Timestamp>| time.as_ref().unwrap().seconds;
    let sent = world.sender().sms(request).await.unwrap();
    let read = world.sender().get(&sent.message_id).await.unwrap();
    let recorded = seconds(&read.create_time);
    assert_eq!((read.next_action.as_str(), read.check_count), ("LOOK_UP", 0));
    assert_eq!(seconds(&read.next_action_time) - recorded, 2, "reconcile_after");
    assert_eq!(seconds(&read.give_up_time) - recorded, 3600, "result_horizon");
    let asked = eventually("the vendor is asked, and has nothing new", async || {
        world.advance(TimeDelta::seconds(2));
        let read = world.sender().get(&sent.message_id).await.unwrap();
        (read.check_count >= 2).then_some(read)
    })
    .await;
    assert_eq!(asked.next_action, "LOOK_UP");
    world.advance(TimeDelta::seconds(3600));
    let open = passes(&world, &sent.message_id, MessageStatus::Unresolved).await;
    assert_eq!((open.next_action.as_str(), open.next_action_time, open.give_up_time), ("", None, None));
}
