//! What cannot be sent is refused before anything is recorded, with every reason at once.

use switchboard_proto::dispatch::v1::{
    Button, ButtonType, Fallback, Image, Oversize, Purpose, SendAlimtalkRequest, SendMmsRequest, SendSmsRequest,
};
use tonic::Code;

use super::harness::{Refused, World, alimtalk, jpeg, mms, sms};

/// What is wrong with it, the reason, and the fields.
type Case<T> = (&'static str, T, &'static str, &'static [&'static str]);

#[track_caller]
fn assert_invalid(what: &str, refused: &Refused, reason: &str, fields: &[&str]) {
    assert_eq!((refused.code, refused.reason.as_str()), (Code::InvalidArgument, reason), "{what}: {refused:?}");
    assert_eq!(refused.fields, fields, "{what}");
    assert!(refused.descriptions.iter().all(|description| !description.is_empty()), "{what}");
}

/// Nothing was recorded and no vendor was asked.
async fn assert_nothing_happened(world: &World) {
    assert!(world.sender().all("hanbit").await.is_empty());
    assert_eq!(world.vendors.cloudmsg().journal().requests.len(), 0);
    assert_eq!(world.vendors.sendtalk().journal().requests.len(), 0);
}

fn text(change: impl FnOnce(&mut SendSmsRequest)) -> SendSmsRequest {
    let mut request = sms("hanbit", "안녕하세요");
    change(&mut request);
    request
}

#[tokio::test]
async fn each_wrong_field_of_a_text_is_named_with_its_reason() {
    let world = World::start().await;
    let many = (0..17).map(|n| (n.to_string(), String::new())).collect();
    let cases: Vec<Case<SendSmsRequest>> = vec![
        ("no organisation", text(|r| r.organization_id.clear()), "INVALID_FIELD", &["organization_id"]),
        ("long organisation", text(|r| r.organization_id = "x".repeat(65)), "INVALID_FIELD", &["organization_id"]),
        ("long request id", text(|r| r.request_id = "x".repeat(65)), "INVALID_FIELD", &["request_id"]),
        ("stray request id", text(|r| r.request_id = "a\0b".into()), "INVALID_FIELD", &["request_id"]),
        ("many labels", text(|r| r.labels = many), "INVALID_FIELD", &["labels"]),
        ("nameless label", text(|r| drop(r.labels.insert(String::new(), "x".into()))), "INVALID_FIELD", &["labels"]),
        ("no recipient", text(|r| r.to.clear()), "INVALID_PHONE_NUMBER", &["to"]),
        ("a letter", text(|r| r.to = "010-1234-567O".into()), "INVALID_PHONE_NUMBER", &["to"]),
        ("a digit lost", text(|r| r.to = "010-1234-567".into()), "INVALID_PHONE_NUMBER", &["to"]),
        ("a zero lost", text(|r| r.to = "10-1234-5678".into()), "INVALID_PHONE_NUMBER", &["to"]),
        ("abroad", text(|r| r.to = "+1 212 555 0100".into()), "INVALID_PHONE_NUMBER", &["to"]),
        ("representative", text(|r| r.to = "1588-1234".into()), "INVALID_PHONE_NUMBER", &["to"]),
        ("sender", text(|r| r.sender = "1588-123".into()), "INVALID_PHONE_NUMBER", &["sender"]),
        ("no text", text(|r| r.text.clear()), "TEXT_EMPTY", &["text"]),
        ("blank text", text(|r| r.text = " \n\u{3000}".into()), "TEXT_EMPTY", &["text"]),
        ("long text", text(|r| r.text = "가".repeat(1001)), "TEXT_TOO_LONG", &["text"]),
        ("long subject", text(|r| r.subject = "가".repeat(21)), "TEXT_TOO_LONG", &["subject"]),
        ("stray", text(|r| r.text = "a\0b".into()), "UNENCODABLE_TEXT", &["text"]),
        ("emoji", text(|r| r.text = "좋아요👍".into()), "UNENCODABLE_TEXT", &["text"]),
        ("emoji in the subject", text(|r| r.subject = "👍".into()), "UNENCODABLE_TEXT", &["subject"]),
    ];
    for (what, request, reason, fields) in cases {
        let refused = world.sender().sms(request).await.expect_err(what);
        assert_invalid(what, &refused, reason, fields);
    }
    assert_nothing_happened(&world).await;
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let world = World::start().await;
    let request = SendSmsRequest {
        organization_id: "hanbit".to_owned(),
        request_id: "x".repeat(65),
        to: "12".to_owned(),
        sender: "abc".to_owned(),
        text: "👍".to_owned(),
        subject: "가".repeat(21),
        ..SendSmsRequest::default()
    };
    let refused = world.sender().sms(request).await.unwrap_err();
    assert_invalid("all", &refused, "INVALID_FIELD", &["request_id", "to", "sender", "text", "subject"]);
    assert!(!refused.sentence.contains("👍"), "what was typed is not repeated in the sentence");
}

#[tokio::test]
async fn a_request_that_is_too_large_to_be_read_is_refused_like_every_other_mistake() {
    let world = World::start().await;
    let refused = world.sender().mms(mms("hanbit", vec![vec![0; 3 << 20]])).await.unwrap_err();
    assert_invalid("too large", &refused, "INVALID_FIELD", &["request"]);
    assert!(refused.descriptions[0].contains("smaller"), "{:?}", refused.descriptions);
}

#[tokio::test]
async fn a_character_that_cannot_be_sent_is_named_with_its_position() {
    let world = World::start().await;
    let refused = world.sender().sms(sms("hanbit", "한글 다음 👍 그리고")).await.unwrap_err();
    let described = &refused.descriptions[0];
    assert!(described.contains('👍') && described.contains('7'), "the seventh character: {described}");
}

#[tokio::test]
async fn each_wrong_field_of_an_mms_is_named_with_its_reason() {
    let world = World::start().await;
    let picture = || jpeg(40, 30);
    let with = |change: &dyn Fn(&mut SendMmsRequest)| {
        let mut request = mms("hanbit", vec![picture()]);
        change(&mut request);
        request
    };
    let image = |content_type: &str, data: Vec<u8>| Image { content_type: content_type.to_owned(), data: data.into() };
    let broken = {
        let mut file = picture();
        file.truncate(30);
        file
    };
    let cases: Vec<Case<SendMmsRequest>> = vec![
        ("no image", with(&|r| r.images.clear()), "INVALID_IMAGE", &["images"]),
        ("four images", mms("hanbit", vec![picture(); 4]), "INVALID_IMAGE", &["images"]),
        ("a PNG", with(&|r| r.images[0].content_type = "image/png".into()), "INVALID_IMAGE", &["images[0]"]),
        ("broken", with(&|r| r.images.push(image("image/jpeg", broken.clone()))), "INVALID_IMAGE", &["images[1]"]),
        ("too many bytes", mms("hanbit", vec![vec![0; 300 * 1024 + 1]]), "INVALID_IMAGE", &["images[0]"]),
        ("too wide", mms("hanbit", vec![jpeg(1501, 10)]), "INVALID_IMAGE", &["images[0]"]),
        ("too high", mms("hanbit", vec![jpeg(10, 1441)]), "INVALID_IMAGE", &["images[0]"]),
        ("no text", with(&|r| r.text.clear()), "TEXT_EMPTY", &["text"]),
        ("long text", with(&|r| r.text = "가".repeat(1001)), "TEXT_TOO_LONG", &["text"]),
        ("recipient", with(&|r| r.to = "112".into()), "INVALID_PHONE_NUMBER", &["to"]),
        (
            "two images and a subject",
            with(&|r| {
                r.subject = "👍".into();
                r.images = vec![image("text/plain", picture()), image("image/jpeg", broken.clone())];
            }),
            "UNENCODABLE_TEXT",
            &["subject", "images[0]", "images[1]"],
        ),
    ];
    for (what, request, reason, fields) in cases {
        let refused = world.sender().mms(request).await.expect_err(what);
        assert_invalid(what, &refused, reason, fields);
    }
    assert_nothing_happened(&world).await;
}

#[tokio::test]
async fn each_wrong_field_of_an_alimtalk_is_named_with_its_reason() {
    let world = World::start().await;
    let with = |change: &dyn Fn(&mut SendAlimtalkRequest)| {
        let mut request = alimtalk("hanbit");
        change(&mut request);
        request
    };
    let button = |kind: ButtonType, name: &str, url: &str| Button {
        r#type: kind.into(),
        name: name.to_owned(),
        mobile_url: url.to_owned(),
        ..Button::default()
    };
    let fallback = |text: &str| Some(Fallback { text: text.to_owned(), ..Fallback::default() });
    let cases: Vec<Case<SendAlimtalkRequest>> = vec![
        ("no template", with(&|r| r.template_code.clear()), "TEMPLATE_MISMATCH", &["template_code"]),
        ("long code", with(&|r| r.template_code = "X".repeat(31)), "TEMPLATE_MISMATCH", &["template_code"]),
        ("no content", with(&|r| r.content.clear()), "TEXT_EMPTY", &["content"]),
        (
            "a variable missing",
            with(&|r| drop(r.variables.remove("item"))),
            "TEMPLATE_MISMATCH",
            &["variables[\"item\"]"],
        ),
        (
            "a variable too many",
            with(&|r| drop(r.variables.insert("colour".into(), "파랑".into()))),
            "TEMPLATE_MISMATCH",
            &["variables[\"colour\"]"],
        ),
        (
            "one missing, one too many",
            with(&|r| {
                r.variables.remove("name");
                r.variables.insert("nmae".into(), "홍길동".into());
            }),
            "TEMPLATE_MISMATCH",
            &["variables[\"name\"]", "variables[\"nmae\"]"],
        ),
        (
            "unclosed",
            with(&|r| r.content = "안녕 #{name".into()),
            "TEMPLATE_MISMATCH",
            &["content", "variables[\"item\"]", "variables[\"name\"]"],
        ),
        (
            "long once rendered",
            with(&|r| drop(r.variables.insert("item".into(), "가".repeat(1000)))),
            "TEXT_TOO_LONG",
            &["content"],
        ),
        (
            "very long once rendered",
            with(&|r| {
                r.content = "#{item}#{name}".repeat(10_000);
                r.variables.insert("item".into(), "가".repeat(100_000));
            }),
            "TEXT_TOO_LONG",
            &["content"],
        ),
        ("stray", with(&|r| drop(r.variables.insert("item".into(), "a\0b".into()))), "UNENCODABLE_TEXT", &["content"]),
        (
            "six buttons",
            with(&|r| r.buttons = vec![button(ButtonType::ChannelAdd, "추가", ""); 6]),
            "INVALID_BUTTON",
            &["buttons"],
        ),
        ("no type", with(&|r| r.buttons = vec![Button::default()]), "INVALID_BUTTON", &["buttons[0].type"]),
        (
            "no name",
            with(&|r| r.buttons = vec![button(ButtonType::BotKeyword, "", "")]),
            "INVALID_BUTTON",
            &["buttons[0].name"],
        ),
        (
            "long name",
            with(&|r| r.buttons = vec![button(ButtonType::BotKeyword, &"가".repeat(15), "")]),
            "INVALID_BUTTON",
            &["buttons[0].name"],
        ),
        (
            "links",
            with(&|r| {
                r.buttons =
                    vec![button(ButtonType::WebLink, "웹", ""), button(ButtonType::AppLink, "앱", "https://m.example")];
            }),
            "INVALID_BUTTON",
            &["buttons[0].mobile_url", "buttons[1].mobile_url"],
        ),
        ("empty fallback", with(&|r| r.fallback = fallback("")), "TEXT_EMPTY", &["fallback.text"]),
        ("fallback emoji", with(&|r| r.fallback = fallback("👍")), "UNENCODABLE_TEXT", &["fallback.text"]),
        (
            "fallback too long",
            with(&|r| {
                let oversize = Oversize::Reject.into();
                r.fallback = Some(Fallback { text: "가".repeat(46), oversize, ..Fallback::default() });
            }),
            "TEXT_TOO_LONG",
            &["fallback.text"],
        ),
        (
            "fallback sender",
            with(&|r| {
                r.fallback = Some(Fallback { sender: "abc".into(), text: "글".into(), ..Fallback::default() });
            }),
            "INVALID_PHONE_NUMBER",
            &["fallback.sender"],
        ),
    ];
    for (what, request, reason, fields) in cases {
        let refused = world.sender().alimtalk(request).await.expect_err(what);
        assert_invalid(what, &refused, reason, fields);
    }
    assert_nothing_happened(&world).await;
}

#[tokio::test]
async fn each_wrong_field_of_an_advertisement_is_named_with_its_reason() {
    let world = World::start().await;
    let cases: [(&str, &[&str]); 3] = [
        ("봄 세일 무료수신거부 080-123-4567", &["text"]),
        ("(광고) 봄 세일", &["text"]),
        ("봄 세일", &["text", "text"]),
    ];
    for (body, fields) in cases {
        let request = text(|r| {
            r.text = body.into();
            r.purpose = Purpose::Advertisement.into();
        });
        let refused = world.sender().sms(request).await.expect_err(body);
        assert_invalid(body, &refused, "AD_RULES", fields);
    }
    assert_nothing_happened(&world).await;
}
