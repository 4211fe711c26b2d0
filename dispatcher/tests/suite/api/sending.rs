//! Every kind of message through both vendors, to the letter of their documents (which the simulators check).

use switchboard_proto::{
    common::v1::Channel,
    dispatch::v1::{
        Button, ButtonType, Fallback, Message, MessageStatus, Oversize, SendAlimtalkRequest, SendSmsRequest,
    },
};
use switchboard_vendor_sim as sim;
use switchboard_vendor_sim::demo::{ORDER_SHIPPED_BUTTON, ORDER_SHIPPED_LINK};

use super::harness::{Seen as _, World, alimtalk, jpeg, mms, sms};

/// What is the same for every message that a vendor has accepted.
#[track_caller]
fn assert_queued(message: &Message, seen: &sim::Message, provider: &str) {
    assert_eq!((message.status(), message.provider.as_str()), (MessageStatus::Queued, provider));
    assert_eq!(message.provider_account, seen.account);
    assert_eq!(message.provider_message_id, seen.message_id);
    assert_eq!(seen.reference.as_deref(), Some(message.message_id.as_str()), "the vendor's reference is our id");
    assert_eq!((message.failure.as_ref(), message.result_time), (None, None));
    assert!(message.create_time.is_some() && message.accept_time.is_some());
    assert_eq!(message.provider_config_version, 7);
}

#[tokio::test]
async fn an_organisation_without_a_mapping_sends_through_the_platforms_cloudmsg_account() {
    let world = World::start().await;
    let message = world.sender().sms(sms("never-heard-of", "안녕하세요")).await.unwrap();
    let seen = world.vendors.cloudmsg().only_message();
    assert_queued(&message, &seen, "cloudmsg");
    assert_eq!((seen.account.as_str(), seen.channel), ("svc-default", sim::Channel::Sms));
    assert_eq!((seen.to.as_str(), seen.from.as_deref()), ("01012345678", Some("15881234")));
    assert_eq!(seen.text, "안녕하세요");
    assert_eq!(message.organization_id, "never-heard-of");
    assert_eq!((message.to.as_str(), message.sender.as_str()), ("+821012345678", "15881234"));
    assert_eq!(world.vendors.sendtalk().journal().requests.len(), 0);
}

#[tokio::test]
async fn an_organisation_mapped_to_sendtalk_sends_through_sendtalk() {
    let world = World::start().await;
    let message = world.sender().sms(sms("narae", "안녕하세요")).await.unwrap();
    let seen = world.vendors.sendtalk().only_message();
    assert_queued(&message, &seen, "sendtalk");
    assert_eq!((seen.to.as_str(), seen.from.as_deref()), ("+821012345678", Some("+8216001234")));
    assert_eq!(message.sender, "16001234", "a representative number is kept in its national form");
    assert_eq!(seen.idempotency_key.as_deref(), Some(message.message_id.as_str()));
    assert_eq!(world.vendors.cloudmsg().journal().requests.len(), 0);
}

#[tokio::test]
async fn numbers_are_taken_as_operators_type_them_and_kept_in_one_form() {
    let world = World::start().await;
    for to in ["010-1234-5678", "+82 10 1234 5678", "01012345678", "０１０-1234-5678", "(010) 1234.5678"] {
        let request = SendSmsRequest { to: to.to_owned(), ..sms("hanbit", "안녕하세요") };
        assert_eq!(world.sender().sms(request).await.unwrap().to, "+821012345678", "{to}");
    }
    let request = SendSmsRequest { sender: "02-1600-5678".to_owned(), ..sms("hanbit", "안녕하세요") };
    assert_eq!(world.sender().sms(request).await.unwrap().sender, "+82216005678");
    assert!(world.vendors.cloudmsg().messages().iter().all(|message| message.to == "01012345678"));
}

#[tokio::test]
async fn a_text_too_long_for_an_sms_goes_as_an_lms_on_both_vendors() {
    let world = World::start().await;
    let (fits, long) = ("가".repeat(45), "가".repeat(46));
    for (organization, vendor) in [("hanbit", world.vendors.cloudmsg()), ("narae", world.vendors.sendtalk())] {
        let short = world.sender().sms(sms(organization, &fits)).await.unwrap();
        assert_eq!(short.channel(), Channel::Sms, "90 bytes fit");
        let request = SendSmsRequest { subject: "긴 제목".to_owned(), ..sms(organization, &long) };
        let upgraded = world.sender().sms(request).await.unwrap();
        assert_eq!((upgraded.channel(), upgraded.status()), (Channel::Lms, MessageStatus::Queued));
        let seen = vendor.messages().pop().unwrap();
        assert_eq!((seen.channel, seen.subject.as_deref()), (sim::Channel::Lms, Some("긴 제목")));
        assert_eq!((seen.text.as_str(), seen.images.len()), (long.as_str(), 0));
    }
}

#[tokio::test]
async fn a_text_too_long_for_an_sms_is_refused_where_the_caller_wants_no_lms() {
    let world = World::start().await;
    let request = SendSmsRequest { oversize: Oversize::Reject.into(), ..sms("hanbit", &"가".repeat(46)) };
    let refused = world.sender().sms(request).await.unwrap_err();
    refused.assert(tonic::Code::InvalidArgument, "TEXT_TOO_LONG");
    assert_eq!(refused.fields, ["text"]);
    assert!(refused.descriptions[0].contains("92 bytes"), "{refused:?}");
    assert!(world.sender().all("hanbit").await.is_empty());
}

#[tokio::test]
async fn an_mms_reaches_both_vendors_with_its_images_in_order() {
    let world = World::start().await;
    let images = [jpeg(320, 240), jpeg(200, 100)];
    for (organization, vendor) in [("hanbit", world.vendors.cloudmsg()), ("narae", world.vendors.sendtalk())] {
        let message = world.sender().mms(mms(organization, images.to_vec())).await.unwrap();
        let seen = vendor.only_message();
        assert_queued(&message, &seen, &message.provider);
        assert_eq!((message.channel(), seen.channel), (Channel::Mms, sim::Channel::Mms));
        let sizes: Vec<_> = seen.images.iter().map(|image| (image.width, image.height, image.bytes)).collect();
        assert_eq!(sizes, [(320, 240, images[0].len()), (200, 100, images[1].len())]);
        assert_eq!((seen.subject.as_deref(), seen.text.as_str()), (Some("사진"), "사진입니다"));
    }
}

#[tokio::test]
async fn an_image_too_large_for_this_organisations_vendor_is_a_failed_message_that_says_so() {
    let world = World::start().await;
    let large = || vec![jpeg(1200, 900)];
    let taken = world.sender().mms(mms("hanbit", large())).await.unwrap();
    assert_eq!(taken.status(), MessageStatus::Queued, "CloudMsg takes it");
    let refused = world.sender().mms(mms("narae", large())).await.unwrap();
    assert_eq!(refused.status(), MessageStatus::Failed);
    let failure = refused.failure.unwrap();
    assert_eq!((failure.code.as_str(), failure.retryable), ("CONTENT_REJECTED", false));
    assert!(failure.detail.contains("1000×1000") && failure.detail.contains("1200×900"), "{}", failure.detail);
    assert_eq!(world.vendors.sendtalk().sends(), 0);
}

#[tokio::test]
async fn an_alimtalk_is_rendered_by_us_for_one_vendor_and_by_the_other_itself() {
    let world = World::start().await;
    let button = Button {
        r#type: ButtonType::WebLink.into(),
        name: ORDER_SHIPPED_BUTTON.to_owned(),
        mobile_url: ORDER_SHIPPED_LINK.to_owned(),
        ..Button::default()
    };
    for (organization, vendor) in [("hanbit", world.vendors.cloudmsg()), ("narae", world.vendors.sendtalk())] {
        let request = SendAlimtalkRequest { buttons: vec![button.clone()], ..alimtalk(organization) };
        let message = world.sender().alimtalk(request).await.unwrap();
        let seen = vendor.only_message();
        assert_queued(&message, &seen, &message.provider);
        assert_eq!((message.channel(), seen.channel), (Channel::Alimtalk, sim::Channel::Alimtalk));
        assert_eq!(seen.text, "홍길동님, 주문하신 운동화 상품이 발송되었습니다.");
        assert_eq!(seen.template_code.as_deref(), Some("ORDER_SHIPPED"));
        assert!(seen.buttons.to_string().contains(ORDER_SHIPPED_LINK), "{}", seen.buttons);
        assert!(seen.fallback_plan.is_none(), "none was asked for, whatever the channel's own setting says");
        assert_eq!(message.sender, "");
    }
}

#[tokio::test]
async fn the_text_in_place_of_a_failed_alimtalk_is_left_to_vendors_that_send_it() {
    let world = World::start().await;
    let fallback = Fallback { text: "주문하신 상품이 발송되었습니다".to_owned(), ..Fallback::default() };
    for (organization, vendor) in [("hanbit", world.vendors.cloudmsg()), ("narae", world.vendors.sendtalk())] {
        let request = SendAlimtalkRequest { fallback: Some(fallback.clone()), ..alimtalk(organization) };
        let message = world.sender().alimtalk(request).await.unwrap();
        assert_eq!(message.status(), MessageStatus::Queued);
        let plan = vendor.only_message().fallback_plan.expect("the vendor is asked to");
        assert_eq!((plan.channel, plan.text.as_str()), (sim::Channel::Sms, "주문하신 상품이 발송되었습니다"));
        assert!(plan.from.ends_with("16005678") || plan.from.ends_with("16001234"), "the account's default sender");
    }
}

#[tokio::test]
async fn labels_come_back_as_they_were_given() {
    let world = World::start().await;
    let labels = [("campaign", "봄 세일"), ("team", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let request =
        SendSmsRequest { labels: labels.clone().into(), request_id: "r-1".to_owned(), ..sms("hanbit", "글") };
    let message = world.sender().sms(request).await.unwrap();
    assert_eq!((message.labels.clone(), message.request_id.as_str()), (labels.into(), "r-1"));
    assert_eq!(world.sender().get(&message.message_id).await.unwrap().labels, message.labels);
}

#[tokio::test]
async fn the_text_that_reaches_the_vendor_is_normalised() {
    let world = World::start().await;
    let decomposed = "\u{1112}\u{1161}\u{11ab}글\r\n둘째 줄";
    world.sender().sms(sms("hanbit", decomposed)).await.unwrap();
    assert_eq!(world.vendors.cloudmsg().only_message().text, "한글\n둘째 줄");
}
