//! The rules for advertisements.

use chrono::TimeDelta;
use switchboard_proto::dispatch::v1::{MessageStatus, Purpose, SendSmsRequest};
use tonic::Code;

use super::harness::{Seen as _, World, sms};

const TEXT: &str = "(광고) 봄 세일 무료수신거부 080-123-4567";

fn advertisement(organization: &str) -> SendSmsRequest {
    SendSmsRequest { purpose: Purpose::Advertisement.into(), ..sms(organization, TEXT) }
}

#[tokio::test]
async fn an_advertisement_reaches_both_vendors_as_one() {
    let world = World::start().await;
    for (organization, vendor) in [("hanbit", world.vendors.cloudmsg()), ("narae", world.vendors.sendtalk())] {
        let message = world.sender().sms(advertisement(organization)).await.unwrap();
        assert_eq!(message.status(), MessageStatus::Queued);
        assert!(vendor.only_message().advertisement);
    }
}

#[tokio::test]
async fn at_night_an_advertisement_is_refused_and_anything_else_is_sent() {
    let world = World::start().await;
    // 22:00 in Korea.
    world.advance(TimeDelta::hours(10));
    let refused = world.sender().sms(advertisement("hanbit")).await.unwrap_err();
    refused.assert(Code::InvalidArgument, "AD_RULES");
    assert_eq!(refused.fields, ["purpose"]);
    assert!(world.sender().all("hanbit").await.is_empty());
    assert_eq!(world.sender().sms(sms("hanbit", "인증번호 1234")).await.unwrap().status(), MessageStatus::Queued);
    // 08:00.
    world.advance(TimeDelta::hours(10));
    assert_eq!(world.sender().sms(advertisement("hanbit")).await.unwrap().status(), MessageStatus::Queued);
}

#[tokio::test]
async fn the_night_is_told_together_with_what_else_is_wrong() {
    let world = World::start().await;
    world.advance(TimeDelta::hours(10));
    let request = SendSmsRequest { to: "abc".to_owned(), text: "봄 세일".to_owned(), ..advertisement("hanbit") };
    let refused = world.sender().sms(request).await.unwrap_err();
    assert_eq!(refused.fields, ["to", "text", "text", "purpose"]);
}

#[tokio::test]
async fn the_night_can_be_left_to_the_vendors() {
    let world = World::configured(|config| config.ad_night_window = false).await;
    world.advance(TimeDelta::hours(10));
    let message = world.sender().sms(advertisement("narae")).await.unwrap();
    assert_eq!(message.status(), MessageStatus::Failed, "SendTalk has its own rule");
    assert_eq!(message.failure.unwrap().provider_code, "-6010");
}
