use http::{Method, StatusCode};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use switchboard_vendor_sim::demo::{ORDER_SHIPPED, SENDTALK_NARAE};
use switchboard_vendor_sim::{AccountStatus, Channel, Settings};

use crate::support::{Vendors, eventually, jpeg, now_ms, st_sms};

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

fn code(answer: &Value) -> i64 {
    assert_eq!(answer["result"]["ok"], answer["result"]["code"] == 0, "{answer}");
    answer["result"]["code"].as_i64().unwrap()
}

fn alimtalk() -> Value {
    json!({
        "sender_profile_key": SENDTALK_NARAE.sender_profile_key, "template_code": ORDER_SHIPPED,
        "to": "+821012345678", "variables": { "name": "홍길동", "item": "운동화" },
        "buttons": [{ "order": 1, "mobile_url": "https://shop.example/o/1" }], "reference": "talk-1",
    })
}

async fn mms(vendors: &Vendors, payload: &Value, images: &[(&str, Vec<u8>)], key: &str) -> Value {
    let mut form = Form::new().text("payload", payload.to_string());
    for (media_type, file) in images {
        form = form.part("image", Part::bytes(file.clone()).file_name("a.jpg").mime_str(media_type).unwrap());
    }
    let request = vendors.sendtalk(&SENDTALK_NARAE, Method::POST, "/v1/mms").header("idempotency-key", key);
    request.multipart(form).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn an_accepted_sms_is_answered_as_in_the_document() {
    let vendors = Vendors::start().await;
    let answer = vendors.sendtalk_send("/v1/sms", Some("k1"), &st_sms("+821012345678", "ord-1")).await;
    assert_eq!(answer["result"], json!({ "ok": true, "code": 0, "message": "SUCCESS" }));
    let data = &answer["data"];
    assert_eq!((&data["reference"], &data["replayed"]), (&json!("ord-1"), &json!(false)));
    assert!(data["accepted_at"].as_str().unwrap().ends_with("+09:00"));
    assert_eq!(data["message_id"], vendors.sim.sendtalk().messages()[0].message_id);
}

#[tokio::test]
async fn the_same_key_replays_another_body_is_refused() {
    let vendors = Vendors::start().await;
    let body = st_sms("+821012345678", "ord-1");
    let first = vendors.sendtalk_send("/v1/sms", Some("k1"), &body).await;
    let again = vendors.sendtalk_send("/v1/sms", Some("k1"), &body).await;
    assert_eq!(again["data"]["message_id"], first["data"]["message_id"]);
    assert_eq!(again["data"]["accepted_at"], first["data"]["accepted_at"]);
    assert_eq!(again["data"]["replayed"], true);
    let other = with(&body, &json!({ "text": "다른 글" }));
    assert_eq!(code(&vendors.sendtalk_send("/v1/sms", Some("k1"), &other).await), -1010);
    assert_eq!(vendors.sim.sendtalk().messages().len(), 1);
}

#[tokio::test]
async fn a_multipart_repeat_is_the_same_body_whatever_its_boundary() {
    let vendors = Vendors::start().await;
    let images = [("image/jpeg", jpeg(100, 100))];
    let first = mms(&vendors, &st_sms("+821012345678", "m"), &images, "k1").await;
    let again = mms(&vendors, &st_sms("+821012345678", "m"), &images, "k1").await;
    assert_eq!(again["data"]["message_id"], first["data"]["message_id"]);
    assert_eq!(again["data"]["replayed"], true);
    let other = [("image/jpeg", jpeg(101, 100))];
    assert_eq!(code(&mms(&vendors, &st_sms("+821012345678", "m"), &other, "k1").await), -1010);
}

#[tokio::test]
async fn each_rule_of_an_sms_has_its_code() {
    let vendors = Vendors::start().await;
    vendors.sim.sendtalk().change_account(SENDTALK_NARAE.account_id, |account| {
        account.sender_numbers.push("+82299998888".to_owned());
        account.blocked_senders.push("+82299998888".to_owned());
    });
    let cases = [
        (json!({ "to": null }), -2018),
        (json!({ "from": null }), -2018),
        (json!({ "text": "" }), -2018),
        (json!({ "to": "01012345678" }), -2019),
        (json!({ "to": "+8201012345678" }), -2019),
        (json!({ "to": "+8215881234" }), -2019),
        (json!({ "to": "+821000009101" }), -2019),
        (json!({ "text": "가".repeat(46) }), -2015),
        (json!({ "text": "😀" }), -2023),
        (json!({ "reference": "a".repeat(65) }), -2015),
        (json!({ "from": "+82288887777" }), -2312),
        (json!({ "from": "+82299998888" }), -2313),
        (json!({ "ad": {} }), -2018),
        (json!({ "ad": { "opt_out_number": "0801234567" } }), -6003),
    ];
    for (change, expected) in cases {
        let body = with(&st_sms("+821012345678", "r"), &change);
        let answer = vendors.sendtalk_try("/v1/sms", None, &body).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!((code(&answer), &answer["data"]), (expected, &Value::Null), "{change}");
    }
}

#[tokio::test]
async fn advertisements_are_refused_at_night_and_for_those_who_opted_out() {
    let vendors = Vendors::start().await;
    let sendtalk = vendors.sim.sendtalk();
    let ad = with(
        &st_sms("+821012345678", "ad"),
        &json!({ "text": "(광고) 세일", "ad": { "opt_out_number": "0801234567" } }),
    );
    // Moves the vendor's clock to the given hour in Korea, whatever the hour is now.
    let at_hour = |hour: i64| {
        let since_midnight = (now_ms() + 9 * 3_600_000).rem_euclid(24 * 3_600_000);
        Settings { clock_offset_ms: hour * 3_600_000 - since_midnight, ..Settings::default() }
    };
    sendtalk.set_settings(at_hour(23)).unwrap();
    assert_eq!(code(&vendors.sendtalk_send("/v1/sms", None, &ad).await), -6010);
    sendtalk.set_settings(at_hour(12)).unwrap();
    assert_eq!(code(&vendors.sendtalk_send("/v1/sms", None, &ad).await), 0);
    sendtalk.change_account(SENDTALK_NARAE.account_id, |account| {
        account.opted_out.push("+821012345678".to_owned());
    });
    assert_eq!(code(&vendors.sendtalk_send("/v1/sms", None, &ad).await), -6001);
}

#[tokio::test]
async fn an_mms_without_an_image_is_an_lms() {
    let vendors = Vendors::start().await;
    let payload = with(&st_sms("+821012345678", "m"), &json!({ "title": "제목" }));
    assert_eq!(code(&mms(&vendors, &payload, &[], "k1").await), 0);
    assert_eq!(code(&mms(&vendors, &payload, &[("image/jpeg", jpeg(1000, 1000))], "k2").await), 0);
    let channels: Vec<Channel> = vendors.sim.sendtalk().messages().iter().map(|message| message.channel).collect();
    assert_eq!(channels, [Channel::Lms, Channel::Mms]);
}

#[tokio::test]
async fn images_and_titles_have_their_limits() {
    let vendors = Vendors::start().await;
    let payload = st_sms("+821012345678", "m");
    let mut padded = jpeg(10, 10);
    padded.resize(270 * 1024, 0);
    let cases = [
        (vec![("image/jpeg", jpeg(1001, 10))], -2005),
        (vec![("image/png", jpeg(10, 10))], -2003),
        (vec![("image/jpeg", b"nothing".to_vec())], -2003),
        (vec![("image/jpeg", vec![0; 300 * 1024])], -2005),
        (vec![("image/jpeg", padded); 3], -2005),
        (vec![("image/jpeg", jpeg(10, 10)); 4], -2005),
    ];
    for (index, (images, expected)) in cases.into_iter().enumerate() {
        assert_eq!(code(&mms(&vendors, &payload, &images, &format!("k{index}")).await), expected, "case {index}");
    }
    let long = with(&payload, &json!({ "title": "가".repeat(21) }));
    assert_eq!(code(&mms(&vendors, &long, &[], "long").await), -2015);
}

#[tokio::test]
async fn the_vendor_renders_the_template() {
    let vendors = Vendors::start().await;
    assert_eq!(code(&vendors.sendtalk_send("/v1/alimtalk", None, &alimtalk()).await), 0);
    let message = &vendors.sim.sendtalk().messages()[0];
    assert_eq!(message.text, "홍길동님, 주문하신 운동화 상품이 발송되었습니다.");
    assert_eq!(message.buttons[0]["mobile_url"], "https://shop.example/o/1");
}

#[tokio::test]
async fn each_rule_of_an_alimtalk_has_its_code() {
    let vendors = Vendors::start().await;
    vendors.sim.sendtalk().change_account(SENDTALK_NARAE.account_id, |account| {
        let mut pending = account.sender_profiles[0].templates[0].clone();
        pending.code = "PENDING".to_owned();
        pending.approved = false;
        account.sender_profiles[0].templates.push(pending);
    });
    let cases = [
        (json!({ "sender_profile_key": "0".repeat(40) }), -2017),
        (json!({ "template_code": "NONE" }), -3003),
        (json!({ "template_code": "PENDING" }), -3005),
        (json!({ "variables": { "name": "홍길동" } }), -3004),
        (json!({ "variables": { "name": "a", "item": "b", "more": "c" } }), -3004),
        (json!({ "variables": { "#{name}": "a", "#{item}": "b" } }), -3004),
        (json!({ "buttons": [{ "order": 1, "mobile_url": "shop" }] }), -3006),
        (json!({ "buttons": [{ "order": 2, "mobile_url": "https://a.example" }] }), -3010),
        (json!({ "buttons": [{ "order": 1, "name": "배송 조회" }] }), -3010),
        (json!({ "fallback": { "mode": "sms", "from": SENDTALK_NARAE.default_sender } }), -2018),
        (json!({ "fallback": { "mode": "sms", "from": "+82288887777", "text": "a" } }), -2312),
    ];
    for (change, expected) in cases {
        let answer = vendors.sendtalk_send("/v1/alimtalk", None, &with(&alimtalk(), &change)).await;
        assert_eq!(code(&answer), expected, "{change} {answer}");
    }
}

#[tokio::test]
async fn a_failed_alimtalk_is_replaced_only_when_asked() {
    let vendors = Vendors::start().await;
    let failing = with(&alimtalk(), &json!({ "to": "+821000003019" }));
    let asked = with(
        &failing,
        &json!({ "fallback": { "mode": "sms", "from": SENDTALK_NARAE.default_sender, "text": "대신" } }),
    );
    vendors.sendtalk_send("/v1/alimtalk", None, &failing).await;
    let answer = vendors.sendtalk_send("/v1/alimtalk", None, &asked).await;
    let target = format!("/v1/messages/{}", answer["data"]["message_id"].as_str().unwrap());
    let item = eventually("the replacement delivered", || async {
        let item = vendors.sendtalk_get(&target).await;
        (item["data"]["fallback"]["status"] == "delivered").then_some(item)
    })
    .await;
    assert_eq!((&item["data"]["status"], &item["data"]["result_code"]), (&json!("failed"), &json!("3019")));
    assert_eq!(vendors.sim.sendtalk().messages().len(), 3);
}

#[tokio::test]
async fn keys_media_types_and_accounts_are_checked() {
    let vendors = Vendors::start().await;
    let url = format!("{}/v1/sms", vendors.sim.sendtalk_url());
    let wrong = vendors.http.post(&url).bearer_auth("not-a-key-at-all").json(&st_sms("+821012345678", "r"));
    let wrong = wrong.send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(code(&wrong.json().await.unwrap()), -1001);
    let text = vendors.sendtalk(&SENDTALK_NARAE, Method::POST, "/v1/sms").body("{}").send().await.unwrap();
    assert_eq!(text.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let huge = vendors.sendtalk(&SENDTALK_NARAE, Method::POST, "/v1/sms").body(vec![b'x'; 2 * 1024 * 1024 + 1]);
    assert_eq!(huge.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);

    let body = st_sms("+821012345678", "r");
    let send = || vendors.sendtalk_send("/v1/sms", None, &body);
    let change = |balance, limit, status| {
        vendors.sim.sendtalk().change_account(SENDTALK_NARAE.account_id, |account| {
            account.balance = balance;
            account.monthly_limit = limit;
            account.status = status;
        })
    };
    change(Some(0), None, AccountStatus::Active);
    assert_eq!(code(&send().await), -1030);
    change(None, Some(0), AccountStatus::Active);
    assert_eq!(code(&send().await), -2052);
    change(None, None, AccountStatus::Suspended);
    assert_eq!(code(&send().await), -1008);
}
