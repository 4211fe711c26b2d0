use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use switchboard_vendor_sim::demo::{CLOUDMSG_DEFAULT, ORDER_SHIPPED, ORDER_SHIPPED_BUTTON};
use switchboard_vendor_sim::{Channel, Settings};

use crate::support::{Vendors, eventually, jpeg, sms};

/// `base` with some fields replaced; null removes one.
fn with(base: &Value, changes: &Value) -> Value {
    let mut body = base.clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}

fn alimtalk() -> Value {
    json!({
        "type": "ALIMTALK", "channelId": "@switchboard", "templateCode": ORDER_SHIPPED,
        "content": "홍길동님, 주문하신 운동화 상품이 발송되었습니다.",
        "buttons": [{ "type": "WL", "name": ORDER_SHIPPED_BUTTON, "linkMobile": "https://shop.example/o/1" }],
        "messages": [{ "to": "01012345678", "clientRef": "talk-1" }],
        "useSmsFailover": false,
    })
}

#[tokio::test]
async fn an_accepted_sms_is_answered_as_in_the_document() {
    let vendors = Vendors::start().await;
    let (status, body) = vendors.cloudmsg_send(&sms("01012345678", "ord-1001")).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert!(body["requestId"].as_str().unwrap().starts_with("RCM-"));
    assert_eq!((&body["statusCode"], &body["statusName"]), (&json!("202"), &json!("success")));
    let item = &body["messages"][0];
    assert_eq!((&item["to"], &item["clientRef"]), (&json!("01012345678"), &json!("ord-1001")));
    assert_eq!((&item["requestStatusCode"], &item["requestStatusName"]), (&json!("A000"), &json!("success")));
    let kept = vendors.sim.cloudmsg().messages();
    assert_eq!(item["messageId"], kept[0].message_id);
    assert_eq!((kept[0].channel, kept[0].text.as_str()), (Channel::Sms, "안녕하세요"));
}

#[tokio::test]
async fn each_rule_of_a_send_has_its_code() {
    let vendors = Vendors::start().await;
    let base = sms("01012345678", "r");
    let lms = json!({ "type": "LMS" });
    let cases = [
        (json!({ "type": "FAX" }), "100"),
        (json!({ "type": null }), "100"),
        (json!({ "messages": [] }), "100"),
        (json!({ "messages": vec![json!({ "to": "01012345678" }); 101] }), "100"),
        (json!({ "from": null }), "100"),
        (json!({ "from": "02-123-4567" }), "1001"),
        (json!({ "from": "0299999999" }), "1004"),
        (json!({ "content": null }), "100"),
        (json!({ "content": "가".repeat(46) }), "1002"),
        (json!({ "content": "hello 😀" }), "1003"),
        (with(&lms, &json!({ "content": "가".repeat(1001) })), "1002"),
        (with(&lms, &json!({ "subject": "가".repeat(21) })), "1002"),
        (json!({ "contentType": "AD" }), "1008"),
        (json!({ "contentType": "SPAM" }), "100"),
        (json!({ "type": "MMS" }), "100"),
        (json!({ "type": "MMS", "files": [{ "fileId": "f-none" }] }), "2004"),
        (json!({ "messages": [{ "to": "+821012345678" }] }), "1001"),
        (json!({ "messages": [{ "to": "010-1234-5678" }] }), "1001"),
        (json!({ "messages": [{ "to": "15881234" }] }), "1001"),
        (json!({ "messages": [{ "to": "01012345678", "clientRef": "a b" }] }), "100"),
        (json!({ "messages": [{ "to": "01012345678", "clientRef": "a".repeat(65) }] }), "100"),
        (json!({ "messages": [{ "to": "01012345678", "content": "가".repeat(46) }] }), "1002"),
    ];
    for (change, code) in cases {
        let (status, body) = vendors.cloudmsg_send(&with(&base, &change)).await;
        assert_eq!((status, &body["error"]["errorCode"]), (StatusCode::BAD_REQUEST, &json!(code)), "{change}");
    }
    assert!(vendors.sim.cloudmsg().messages().is_empty());
}

#[tokio::test]
async fn the_longest_texts_are_accepted() {
    let vendors = Vendors::start().await;
    let base = sms("01012345678", "r");
    let fitting = [
        json!({ "content": "가".repeat(45) }),
        json!({ "type": "LMS", "content": "가".repeat(1000), "subject": "가".repeat(20) }),
        json!({ "contentType": "AD", "content": "(광고) 세일 무료거부 0801234567" }),
    ];
    for change in fitting {
        let (status, _) = vendors.cloudmsg_send(&with(&base, &change)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{change}");
    }
}

#[tokio::test]
async fn a_bad_recipient_is_refused_inside_the_202_and_the_others_are_accepted() {
    let vendors = Vendors::start().await;
    let body = with(
        &sms("01012345678", "a"),
        &json!({ "messages": [{ "to": "010123", "clientRef": "a" }, { "to": "01012345678", "clientRef": "b" }] }),
    );
    let (status, answer) = vendors.cloudmsg_send(&body).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let items = answer["messages"].as_array().unwrap();
    assert_eq!((&items[0]["requestStatusName"], &items[0]["requestStatusCode"]), (&json!("fail"), &json!("1001")));
    assert_eq!(items[1]["requestStatusName"], "success");
    assert_eq!(vendors.sim.cloudmsg().messages().len(), 1);
}

#[tokio::test]
async fn a_single_recipient_is_refused_inside_the_202_where_that_is_set() {
    let vendors = Vendors::start().await;
    let settings = Settings { refuse_inside_202: true, ..Settings::default() };
    vendors.sim.cloudmsg().set_settings(settings).unwrap();
    for to in ["010123", "01000009101"] {
        let (status, answer) = vendors.cloudmsg_send(&sms(to, "r")).await;
        assert_eq!((status, &answer["messages"][0]["requestStatusCode"]), (StatusCode::ACCEPTED, &json!("1001")));
    }
}

#[tokio::test]
async fn the_same_reference_twice_makes_two_messages() {
    let vendors = Vendors::start().await;
    for _ in 0..2 {
        vendors.cloudmsg_send(&sms("01012345678", "ord-1")).await;
    }
    let (status, body) = vendors.cloudmsg_get("/messages?clientRef=ord-1").await;
    assert_eq!(status, StatusCode::OK);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["messages"].as_array().unwrap().len(), 2);
    assert_eq!(vendors.sim.cloudmsg().messages_by_reference("svc-default", "ord-1").len(), 2);
}

#[tokio::test]
async fn an_mms_takes_images_that_were_uploaded_and_have_not_expired() {
    let vendors = Vendors::start().await;
    let upload = |file: Vec<u8>, name: &'static str| {
        let body = json!({ "fileName": name, "fileBody": STANDARD.encode(file) });
        let vendors = &vendors;
        async move {
            let target = "/v2/services/svc-default/files";
            let answer = vendors.cloudmsg(Method::POST, target, Some(&body)).await;
            (answer.status(), answer.json::<Value>().await.unwrap())
        }
    };
    let (status, body) = upload(jpeg(200, 100), "a.jpg").await;
    assert_eq!(status, StatusCode::OK);
    let six_days = 6 * 24 * 3600 * 1000;
    assert_eq!(body["expireTime"].as_i64().unwrap() - body["createTime"].as_i64().unwrap(), six_days);
    let mms = with(
        &sms("01012345678", "mms"),
        &json!({ "type": "MMS", "subject": "사진", "files": [{ "fileId": body["fileId"] }] }),
    );
    assert_eq!(vendors.cloudmsg_send(&mms).await.0, StatusCode::ACCEPTED);
    let image = &vendors.sim.cloudmsg().messages()[0].images[0];
    assert_eq!((image.width, image.height), (200, 100));

    vendors.sim.cloudmsg().expire_files();
    let (status, body) = vendors.cloudmsg_send(&mms).await;
    assert_eq!((status, &body["error"]["errorCode"]), (StatusCode::BAD_REQUEST, &json!("2004")));

    for (file, name, code) in [
        (jpeg(1501, 10), "a.jpg", "2005"),
        (jpeg(10, 1441), "a.jpeg", "2005"),
        (vec![0xff; 300 * 1024 + 1], "a.jpg", "2005"),
        (b"not an image".to_vec(), "a.jpg", "100"),
        (jpeg(10, 10), "a.png", "100"),
    ] {
        let (status, body) = upload(file, name).await;
        assert_eq!((status, &body["error"]["errorCode"]), (StatusCode::BAD_REQUEST, &json!(code)), "{name}");
    }
}

#[tokio::test]
async fn an_alimtalk_must_be_its_template_filled_in() {
    let vendors = Vendors::start().await;
    assert_eq!(vendors.cloudmsg_send(&alimtalk()).await.0, StatusCode::ACCEPTED);
    let button = |fields: Value| json!({ "buttons": [fields] });
    let cases = [
        (json!({ "channelId": null }), "100"),
        (json!({ "templateCode": null }), "100"),
        (json!({ "channelId": "@nobody" }), "1005"),
        (json!({ "templateCode": "NONE" }), "1005"),
        (json!({ "content": "다른 내용" }), "1006"),
        (json!({ "content": "#{name}님, 주문하신 운동화 상품이 발송되었습니다." }), "1006"),
        (button(json!({ "type": "WL", "name": ORDER_SHIPPED_BUTTON })), "1007"),
        (button(json!({ "type": "AL", "name": ORDER_SHIPPED_BUTTON, "schemeIos": "a://" })), "1007"),
        (button(json!({ "type": "XX", "name": ORDER_SHIPPED_BUTTON })), "1007"),
        (button(json!({ "type": "DS", "name": "열다섯글자가넘는버튼이름이다요" })), "1007"),
        (button(json!({ "type": "WL", "name": "다른 버튼", "linkMobile": "https://a.example" })), "1006"),
    ];
    for (change, code) in cases {
        let (status, body) = vendors.cloudmsg_send(&with(&alimtalk(), &change)).await;
        assert_eq!((status, &body["error"]["errorCode"]), (StatusCode::BAD_REQUEST, &json!(code)), "{change}");
    }
}

#[tokio::test]
async fn the_channels_own_setting_decides_when_failover_is_left_out() {
    let vendors = Vendors::start().await;
    let failing = json!([{ "to": "01000003019", "clientRef": "talk-2" }]);
    let explicit = with(&alimtalk(), &json!({ "messages": failing }));
    assert_eq!(vendors.cloudmsg_send(&explicit).await.0, StatusCode::ACCEPTED);
    let left_out = with(&explicit, &json!({ "useSmsFailover": null }));
    assert_eq!(vendors.cloudmsg_send(&left_out).await.0, StatusCode::ACCEPTED);

    let messages = eventually("one replacement delivered", || async {
        let messages = vendors.sim.cloudmsg().messages();
        let done = messages.len() == 3 && messages.iter().all(|message| message.completed_at.is_some());
        done.then_some(messages)
    })
    .await;
    let replaced: Vec<_> = messages.iter().filter_map(|message| message.fallback_of.clone()).collect();
    assert_eq!(replaced, [messages[1].message_id.clone()]);
    assert_eq!(messages[2].from.as_deref(), Some(CLOUDMSG_DEFAULT.default_sender));

    let (_, body) = vendors.cloudmsg_get(&format!("/messages/{}", messages[1].message_id)).await;
    let item: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&item["statusName"], &item["statusCode"]), (&json!("fail"), &json!("3019")));
    assert_eq!(item["failover"]["messageId"], messages[2].message_id);
    assert_eq!(item["failover"]["statusName"], "success");
}

#[tokio::test]
async fn balance_and_daily_quota_run_out() {
    let vendors = Vendors::start().await;
    let cloudmsg = vendors.sim.cloudmsg();
    cloudmsg.change_account("svc-default", |account| account.balance = Some(1));
    assert_eq!(vendors.cloudmsg_send(&sms("01012345678", "a")).await.0, StatusCode::ACCEPTED);
    let (status, body) = vendors.cloudmsg_send(&sms("01012345678", "b")).await;
    assert_eq!((status, &body["error"]["errorCode"]), (StatusCode::PAYMENT_REQUIRED, &json!("600")));
    cloudmsg.change_account("svc-default", |account| {
        account.balance = None;
        account.daily_quota = Some(0);
    });
    let (status, body) = vendors.cloudmsg_send(&sms("01012345678", "c")).await;
    assert_eq!((status, &body["error"]["errorCode"]), (StatusCode::TOO_MANY_REQUESTS, &json!("400")));
}

#[tokio::test]
async fn fields_that_the_document_does_not_know_are_noted() {
    let vendors = Vendors::start().await;
    let body = with(&sms("01012345678", "a"), &json!({ "client_ref": "x" }));
    assert_eq!(vendors.cloudmsg_send(&body).await.0, StatusCode::ACCEPTED);
    assert_eq!(vendors.sim.cloudmsg().journal().requests[0].warnings, ["unknown field client_ref"]);
}
