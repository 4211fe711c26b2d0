//! What a vendor refuses is a failed message, not an RPC error.

use std::time::Duration;

use switchboard_proto::dispatch::v1::{MessageStatus, SendSmsRequest};
use switchboard_vendor_sim::{Fault, RetryAfterForm};

use super::harness::{Seen as _, World, sms};

#[tokio::test]
async fn a_refusal_is_a_failed_message_in_words_that_all_vendors_share() {
    let world = World::configured(|config| config.retry_for = Duration::ZERO).await;
    let refuse = |code: &str| Fault::Refuse { code: code.to_owned() };
    let cloudmsg = [
        (refuse("1001"), "INVALID_RECIPIENT", "1001", false),
        (refuse("1004"), "SENDER_REJECTED", "1004", false),
        (refuse("1003"), "CONTENT_REJECTED", "1003", false),
        (refuse("600"), "INSUFFICIENT_BALANCE", "600", false),
        (Fault::Unauthorized, "CREDENTIALS_REJECTED", "200", false),
        (Fault::NotAccepted, "PROVIDER_UNAVAILABLE", "500", true),
        (Fault::Throttle { after_s: 1, form: RetryAfterForm::Native }, "PROVIDER_THROTTLED", "410", true),
    ];
    let sendtalk = [
        (refuse("-2019"), "INVALID_RECIPIENT", "-2019", false),
        (refuse("-2312"), "SENDER_REJECTED", "-2312", false),
        (refuse("-1030"), "INSUFFICIENT_BALANCE", "-1030", false),
        (refuse("-6001"), "RECIPIENT_BLOCKED", "-6001", false),
        (Fault::Unauthorized, "CREDENTIALS_REJECTED", "-1001", false),
        (Fault::NotAccepted, "PROVIDER_UNAVAILABLE", "-2021", true),
        (Fault::Throttle { after_s: 1, form: RetryAfterForm::Native }, "PROVIDER_THROTTLED", "-1429", true),
    ];
    let vendors = [("hanbit", world.vendors.cloudmsg(), cloudmsg), ("narae", world.vendors.sendtalk(), sendtalk)];
    for (organization, vendor, cases) in vendors {
        for (fault, code, provider_code, retryable) in cases {
            vendor.next_send(fault.clone());
            let message = world.sender().sms(sms(organization, "글")).await.unwrap();
            assert_eq!(message.status(), MessageStatus::Failed, "{fault:?}");
            let failure = message.failure.clone().unwrap();
            assert_eq!((failure.code.as_str(), failure.provider_code.as_str()), (code, provider_code), "{fault:?}");
            assert_eq!(failure.retryable, retryable, "{fault:?}");
            assert!(!failure.detail.is_empty() && message.result_time.is_some());
            assert_eq!((message.accept_time, message.provider_message_id.as_str()), (None, ""));
            assert_eq!(world.sender().get(&message.message_id).await.unwrap().failure, message.failure);
        }
        assert!(vendor.messages().is_empty());
    }
}

#[tokio::test]
async fn a_recipient_that_the_vendor_refuses_fails_on_both_vendors() {
    let world = World::start().await;
    for organization in ["hanbit", "narae"] {
        let request = SendSmsRequest { to: "010-0000-9101".to_owned(), ..sms(organization, "글") };
        let message = world.sender().sms(request).await.unwrap();
        assert_eq!(message.status(), MessageStatus::Failed);
        assert_eq!(message.failure.unwrap().code, "INVALID_RECIPIENT");
    }
}

#[tokio::test]
async fn what_the_vendor_did_not_take_for_the_moment_is_tried_again() {
    let world = World::start().await;
    for (organization, vendor) in [("hanbit", world.vendors.cloudmsg()), ("narae", world.vendors.sendtalk())] {
        vendor.next_send(Fault::NotAccepted);
        let message = world.sender().sms(sms(organization, "글")).await.unwrap();
        assert_eq!(message.status(), MessageStatus::Queued, "{organization}");
        assert_eq!((vendor.sends(), vendor.messages().len()), (2, 1));
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_message_or_the_account_is_not_tried_again() {
    let world = World::start().await;
    for fault in [Fault::Refuse { code: "1004".to_owned() }, Fault::Unauthorized] {
        let before = world.vendors.cloudmsg().sends();
        world.vendors.cloudmsg().next_send(fault);
        world.sender().sms(sms("hanbit", "글")).await.unwrap();
        assert_eq!(world.vendors.cloudmsg().sends(), before + 1);
    }
}
