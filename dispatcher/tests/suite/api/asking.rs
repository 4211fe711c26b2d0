//! How vendors are asked about what they have not reported: by few calls, at their pace, each account for itself.

use std::time::Duration;

use chrono::TimeDelta;
use switchboard_proto::dispatch::v1::{Message, MessageFilter, MessageStatus};
use switchboard_vendor_sim::{
    Callbacks, Fault, FaultMatch, FaultRule, Operation, Outcome, OutcomeRule, RetryAfterForm, VendorHandle,
};

use super::harness::{World, report, sms};
use crate::support::eventually;

/// Messages whose results never come by themselves, and vendors that are asked as soon as the clock is moved.
async fn world() -> World {
    let world = World::configured(|config| {
        config.send_timeout = Duration::from_secs(1);
        config.reconcile_after = Duration::from_secs(2);
    })
    .await;
    for vendor in [world.vendors.cloudmsg(), world.vendors.sendtalk()] {
        let lost = Outcome::with_callbacks(Callbacks::Lost);
        vendor.add_outcome(OutcomeRule { outcome: lost, ..OutcomeRule::default() });
    }
    world
}

/// Sends so many, and waits until the vendor has a result for each.
async fn sent(world: &World, organization: &str, vendor: &VendorHandle, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    for _ in 0..count {
        messages.push(world.sender().sms(sms(organization, "글")).await.unwrap());
    }
    eventually("every message has a result", async || {
        vendor.messages().iter().all(|message| message.completed_at.is_some()).then_some(())
    })
    .await;
    messages
}

async fn delivered(world: &World, organization: &str) -> usize {
    let filter = MessageFilter { status: vec![MessageStatus::Delivered.into()], ..MessageFilter::default() };
    world.sender().filtered(organization, filter).await.len()
}

fn calls(vendor: &VendorHandle, operation: Operation) -> usize {
    vendor.journal().requests.iter().filter(|request| request.operation == operation).count()
}

fn every(operation: Operation, fault: Fault) -> FaultRule {
    FaultRule::always(fault, FaultMatch { operation: Some(operation), ..FaultMatch::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_of_one_account_are_settled_by_few_calls_of_the_results_feed() {
    let world = world().await;
    let vendor = world.vendors.sendtalk();
    let messages = sent(&world, "narae", &vendor, 60).await;
    // The feed runs two minutes behind.
    world.advance(TimeDelta::minutes(3));
    eventually("all are delivered", async || (delivered(&world, "narae").await == 60).then_some(())).await;
    let (pages, look_ups) = (calls(&vendor, Operation::Results), calls(&vendor, Operation::LookUp));
    assert!(pages >= 1 && pages + look_ups <= 6, "{pages} pages and {look_ups} look-ups for 60 messages");
    let whole = world.sender().get(&messages[0].message_id).await.unwrap();
    let kinds: Vec<_> = whole.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["RECORDED", "ACCEPTED", "REPORTED"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_feed_fails_messages_are_asked_about_one_by_one() {
    let world = world().await;
    let vendor = world.vendors.sendtalk();
    let broken = Fault::ServerError { accept: false, status: 500, retry_after_s: None };
    vendor.add_fault(every(Operation::Results, broken));
    sent(&world, "narae", &vendor, 10).await;
    world.advance(TimeDelta::minutes(3));
    eventually("all are delivered", async || (delivered(&world, "narae").await == 10).then_some(())).await;
    assert!(calls(&vendor, Operation::Results) >= 1);
    assert_eq!(calls(&vendor, Operation::LookUp), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_asks_for_a_pause_is_asked_no_further() {
    let world = world().await;
    let vendor = world.vendors.cloudmsg();
    vendor.add_fault(every(Operation::LookUp, Fault::Throttle { after_s: 300, form: RetryAfterForm::Native }));
    let messages = sent(&world, "hanbit", &vendor, 30).await;
    for turn in 1..=3 {
        eventually("all have had their turn", async || {
            world.advance(TimeDelta::seconds(5));
            let last = world.sender().get(&messages[29].message_id).await.unwrap();
            (last.check_count >= turn).then_some(())
        })
        .await;
    }
    let look_ups = calls(&vendor, Operation::LookUp);
    assert!((1..=8).contains(&look_ups), "{look_ups}: those under way when the first answer came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_has_fallen_silent_does_not_hold_up_the_others() {
    let world = world().await;
    let (silent, other) = (world.vendors.cloudmsg(), world.vendors.sendtalk());
    silent.add_fault(every(Operation::LookUp, Fault::Hang { accept: false }));
    sent(&world, "hanbit", &silent, 100).await;
    sent(&world, "narae", &other, 2).await;
    world.advance(TimeDelta::seconds(10));
    eventually("the other vendor's messages are delivered", async || {
        (delivered(&world, "narae").await == 2).then_some(())
    })
    .await;
    eventually("the silent one's turn is over", async || {
        world.advance(TimeDelta::seconds(10));
        let filter = MessageFilter { status: vec![MessageStatus::Queued.into()], ..MessageFilter::default() };
        let waiting = world.sender().filtered("hanbit", filter).await;
        waiting.iter().all(|message| message.check_count >= 1).then_some(())
    })
    .await;
    let look_ups = calls(&silent, Operation::LookUp);
    assert!(look_ups < 50, "{look_ups} calls to a vendor that does not answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_much_is_open_and_who_looks_after_it_is_a_metric() {
    let world = world().await;
    let message = sent(&world, "hanbit", &world.vendors.cloudmsg(), 2).await.remove(0);
    for status in [MessageStatus::Delivered, MessageStatus::Failed] {
        world.gateway().tell(report("cloudmsg", &message.provider_account, &message.message_id, status)).await;
    }
    let (status, text) = world.http("/metrics").await;
    assert_eq!(status, 200);
    for name in [
        "switchboard_reconciliation_leader",
        "switchboard_open_messages{status=\"IN_DOUBT\"}",
        "switchboard_open_messages_oldest_seconds{status=\"QUEUED\"}",
        "switchboard_open_messages_overdue",
        "switchboard_parked_reports",
        "switchboard_quarantined_events",
        "switchboard_status_conflicts_total{provider=\"cloudmsg\"}",
    ] {
        assert!(text.contains(name), "{name} is missing");
    }
}
