//! Another vendor is asked only when the first has certainly not taken the message, and at most once.

use std::{net::TcpListener, time::Duration};

use switchboard_proto::{
    config::v1::OrganizationEntry,
    dispatch::v1::{Message, MessageStatus, SendSmsRequest},
};
use switchboard_vendor_sim::{
    Fault, RetryAfterForm,
    demo::{CLOUDMSG_HANBIT, SENDTALK_HANBIT},
};

use super::harness::{EntryExt as _, Seen as _, Setup, World, cloudmsg, organization, sendtalk, sms};

/// CloudMsg first, then SendTalk, then CloudMsg again: nobody may come that far.
fn with_failover() -> OrganizationEntry {
    let accounts = vec![cloudmsg(&CLOUDMSG_HANBIT), sendtalk(&SENDTALK_HANBIT)];
    organization("hanbit", accounts).failover(&["cloudmsg", "sendtalk", "cloudmsg"])
}

async fn world() -> World {
    let world = World::configured(|config| config.retry_for = Duration::ZERO).await;
    world.config.set(with_failover()).await;
    world
}

fn kinds(message: &Message) -> Vec<&str> {
    message.events.iter().map(|event| event.kind.as_str()).collect()
}

#[tokio::test]
async fn what_the_first_vendor_certainly_did_not_take_goes_to_the_second() {
    let world = world().await;
    let proofs = [
        Fault::Unauthorized,
        Fault::NotAccepted,
        Fault::Refuse { code: "600".to_owned() },
        Fault::Refuse { code: "1004".to_owned() },
        Fault::Throttle { after_s: 60, form: RetryAfterForm::Native },
    ];
    for proof in proofs {
        for vendor in [world.vendors.cloudmsg(), world.vendors.sendtalk()] {
            vendor.clear_journal();
            vendor.clear_messages();
        }
        world.vendors.cloudmsg().next_send(proof.clone());
        let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
        assert_eq!((message.status(), message.provider.as_str()), (MessageStatus::Queued, "sendtalk"), "{proof:?}");
        assert_eq!(message.provider_account, SENDTALK_HANBIT.account_id);
        let seen = world.vendors.sendtalk().only_message();
        assert_eq!(seen.reference.as_deref(), Some(message.message_id.as_str()));
        assert_eq!((world.vendors.cloudmsg().sends(), world.vendors.cloudmsg().messages().len()), (1, 0));
        let whole = world.sender().get(&message.message_id).await.unwrap();
        assert_eq!(kinds(&whole), ["RECORDED", "FAILOVER", "ACCEPTED"]);
        let step = &whole.events[1];
        assert!(step.detail.contains("cloudmsg → sendtalk") && step.failure.is_some(), "{step:?}");
    }
}

#[tokio::test]
async fn a_vendor_that_asks_for_a_pause_is_left_alone_meanwhile() {
    let world = world().await;
    world.vendors.cloudmsg().next_send(Fault::Throttle { after_s: 60, form: RetryAfterForm::Native });
    for _ in 0..5 {
        let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
        assert_eq!((message.status(), message.provider.as_str()), (MessageStatus::Queued, "sendtalk"));
    }
    assert_eq!((world.vendors.cloudmsg().sends(), world.vendors.sendtalk().sends()), (1, 5));
    let other = world.sender().sms(sms("never-heard-of", "글")).await.unwrap();
    assert_eq!((other.status(), other.provider.as_str()), (MessageStatus::Queued, "cloudmsg"), "another account");
}

#[tokio::test]
async fn a_vendor_that_cannot_be_connected_to_is_replaced_by_the_second() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut setup = Setup { cloudmsg_url: Some(format!("http://{closed}")), ..Setup::default() };
    setup.config.retry_for = Duration::from_millis(500);
    let world = World::with(setup).await;
    world.config.set(with_failover()).await;
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    assert_eq!((message.status(), message.provider.as_str()), (MessageStatus::Queued, "sendtalk"));
    world.vendors.sendtalk().only_message();
    let failed = world.sender().sms(sms("never-heard-of", "글")).await.unwrap();
    assert_eq!(failed.status(), MessageStatus::Failed, "without a second vendor it fails, after its retries");
    assert_eq!(failed.failure.unwrap().code, "PROVIDER_UNAVAILABLE");
}

#[tokio::test]
async fn when_the_second_refuses_too_the_message_has_failed() {
    let world = world().await;
    world.vendors.cloudmsg().next_send(Fault::Unauthorized);
    world.vendors.sendtalk().next_send(Fault::Refuse { code: "-2312".to_owned() });
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    assert_eq!((message.status(), message.provider.as_str()), (MessageStatus::Failed, "sendtalk"));
    assert_eq!(message.failure.unwrap().code, "SENDER_REJECTED", "by the last word");
    assert_eq!((world.vendors.cloudmsg().sends(), world.vendors.sendtalk().sends()), (1, 1), "once each");
    let whole = world.sender().get(&message.message_id).await.unwrap();
    assert_eq!(kinds(&whole), ["RECORDED", "FAILOVER", "REFUSED"]);
}

#[tokio::test]
async fn a_callers_mistake_never_moves_a_message_nor_counts_against_the_vendor() {
    let world = world().await;
    for _ in 0..50 {
        let request = SendSmsRequest { to: "010-0000-9101".to_owned(), ..sms("hanbit", "글") };
        let message = world.sender().sms(request).await.unwrap();
        assert_eq!((message.status(), message.provider.as_str()), (MessageStatus::Failed, "cloudmsg"));
    }
    let good = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    assert_eq!((good.status(), good.provider.as_str()), (MessageStatus::Queued, "cloudmsg"));
    assert_eq!(world.vendors.sendtalk().sends(), 0);
}

#[tokio::test]
async fn without_a_failover_list_a_refusal_is_final() {
    let world = World::start().await;
    world.vendors.cloudmsg().next_send(Fault::Unauthorized);
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    assert_eq!((message.status(), message.provider.as_str()), (MessageStatus::Failed, "cloudmsg"));
    assert_eq!(world.vendors.sendtalk().sends(), 0, "that there is an account is not permission to use it");
}

#[tokio::test]
async fn the_representative_sender_is_the_same_with_both_vendors() {
    let world = world().await;
    world.vendors.cloudmsg().next_send(Fault::Unauthorized);
    world.sender().sms(sms("hanbit", "글")).await.unwrap();
    let seen = world.vendors.sendtalk().only_message();
    assert_eq!(seen.from.as_deref(), Some("+8216005678"));
}

#[tokio::test]
async fn a_sender_that_the_caller_has_left_to_the_account_is_the_other_accounts_then() {
    let world = world().await;
    let mut entry = with_failover();
    let own = SENDTALK_HANBIT.other_sender;
    entry.accounts[1].credentials.insert("default_sender".to_owned(), own.to_owned());
    world.config.set(entry).await;
    let given = SendSmsRequest { sender: CLOUDMSG_HANBIT.default_sender.to_owned(), ..sms("hanbit", "글") };
    for (request, sender, seen) in [(sms("hanbit", "글"), own, own), (given, "16005678", "+8216005678")] {
        world.vendors.sendtalk().clear_journal();
        world.vendors.sendtalk().clear_messages();
        world.vendors.cloudmsg().next_send(Fault::Unauthorized);
        let message = world.sender().sms(request).await.unwrap();
        assert_eq!((message.status(), message.provider.as_str()), (MessageStatus::Queued, "sendtalk"));
        assert_eq!(world.vendors.sendtalk().only_message().from.as_deref(), Some(seen));
        let stored = world.sender().get(&message.message_id).await.unwrap();
        assert_eq!((message.sender.as_str(), stored.sender.as_str()), (sender, sender));
    }
}
