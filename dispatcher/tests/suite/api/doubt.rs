//! A call whose outcome is not known: in doubt, never sent again by guess, never given to the other vendor.

use std::time::Duration;

use switchboard_proto::dispatch::v1::{Message, MessageStatus};
use switchboard_vendor_sim::{
    Fault, FaultMatch, FaultRule, Operation, VendorHandle,
    demo::{CLOUDMSG_HANBIT, SENDTALK_HANBIT},
};

use super::harness::{EntryExt as _, Seen as _, World, cloudmsg, jpeg, mms, organization, sendtalk, sms};
use crate::support::PATIENCE;

const SHORT: Duration = Duration::from_millis(500);

/// Everything that leaves open whether the vendor has the message, without and with the vendor having it.
fn ambiguous() -> Vec<(Fault, usize)> {
    let mut faults = vec![(Fault::TruncatedJson, 1), (Fault::Delay { ms: 2000, accept_first: true }, 1)];
    for accept in [false, true] {
        let status = 500;
        faults.extend(
            [
                Fault::Hang { accept },
                Fault::Reset { accept },
                Fault::ServerError { accept, status, retry_after_s: None },
                Fault::ServerError { accept, status: 504, retry_after_s: Some(1) },
                Fault::Html { accept, status: 502 },
                Fault::Html { accept, status: 504 },
            ]
            .map(|fault| (fault, usize::from(accept))),
        );
    }
    faults
}

/// A world in which the other vendor stands by, and calls take no longer than this.
async fn world_with(send_timeout: Duration) -> World {
    let world = World::configured(|config| config.send_timeout = send_timeout).await;
    let other_way = |accounts, backup: &str| organization("hanbit", accounts).failover(&[backup]);
    let entry = other_way(vec![cloudmsg(&CLOUDMSG_HANBIT), sendtalk(&SENDTALK_HANBIT)], "sendtalk");
    world.config.set(entry).await;
    world
}

async fn world() -> World {
    world_with(SHORT).await
}

fn kinds(message: &Message) -> Vec<&str> {
    message.events.iter().map(|event| event.kind.as_str()).collect()
}

async fn stays_in_doubt(world: &World, vendor: &VendorHandle, other: &VendorHandle) {
    for (fault, accepted) in ambiguous() {
        vendor.clear_messages();
        vendor.clear_journal();
        vendor.next_send(fault.clone());
        let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
        assert_eq!(message.status(), MessageStatus::InDoubt, "{fault:?}");
        assert_eq!(message.failure, None, "it has not failed: {fault:?}");
        let whole = world.sender().get(&message.message_id).await.unwrap();
        assert_eq!(kinds(&whole), ["RECORDED", "IN_DOUBT"], "{fault:?}");
        assert!(whole.next_step.contains("vendor"), "{}", whole.next_step);
        assert_eq!((vendor.sends(), vendor.messages().len()), (1, accepted), "{fault:?}");
        assert_eq!(other.journal().requests.len(), 0, "an ambiguous outcome never reaches the other vendor: {fault:?}");
    }
}

#[tokio::test]
async fn an_ambiguous_outcome_at_cloudmsg_is_in_doubt_and_never_reaches_sendtalk() {
    let world = world().await;
    stays_in_doubt(&world, &world.vendors.cloudmsg(), &world.vendors.sendtalk()).await;
}

#[tokio::test]
async fn an_ambiguous_outcome_at_sendtalk_is_in_doubt_and_never_reaches_cloudmsg() {
    let world = world().await;
    let accounts = vec![sendtalk(&SENDTALK_HANBIT), cloudmsg(&CLOUDMSG_HANBIT)];
    world.config.set(organization("hanbit", accounts).failover(&["cloudmsg"])).await;
    stays_in_doubt(&world, &world.vendors.sendtalk(), &world.vendors.cloudmsg()).await;
}

#[tokio::test]
async fn an_ambiguous_outcome_at_the_second_vendor_does_not_come_back_to_the_first() {
    let world = world().await;
    world.vendors.cloudmsg().next_send(Fault::Unauthorized);
    world.vendors.sendtalk().next_send(Fault::Hang { accept: true });
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    assert_eq!((message.status(), message.provider.as_str()), (MessageStatus::InDoubt, "sendtalk"));
    assert_eq!((world.vendors.cloudmsg().sends(), world.vendors.sendtalk().sends()), (1, 1));
}

#[tokio::test]
async fn one_single_failure_moves_no_traffic() {
    let world = world_with(PATIENCE).await;
    world.vendors.cloudmsg().next_send(Fault::ServerError { accept: false, status: 500, retry_after_s: None });
    world.sender().sms(sms("hanbit", "글")).await.unwrap();
    for _ in 0..10 {
        let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
        assert_eq!((message.status(), message.provider.as_str()), (MessageStatus::Queued, "cloudmsg"));
    }
    assert_eq!(world.vendors.sendtalk().sends(), 0);
}

#[tokio::test]
async fn an_upload_that_fails_proves_that_the_message_was_not_taken() {
    let world = world_with(PATIENCE).await;
    let upload = FaultMatch { operation: Some(Operation::Upload), ..FaultMatch::default() };
    let broken = Fault::ServerError { accept: false, status: 500, retry_after_s: None };
    world.vendors.cloudmsg().add_fault(FaultRule::always(broken, upload));
    let message = world.sender().mms(mms("hanbit", vec![jpeg(40, 30)])).await.unwrap();
    assert_eq!((message.status(), message.provider.as_str()), (MessageStatus::Queued, "sendtalk"));
    assert_eq!(world.vendors.cloudmsg().sends(), 0);
}
