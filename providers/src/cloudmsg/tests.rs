//! CloudMsg's document, line by line.

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, StatusCode};
use ring::hmac;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    client::{judge, receipt, sign},
    errors,
    webhook::Callbacks,
    wire::SendRequest,
};
use crate::{
    http::Answer,
    model::{
        Advertisement, Alimtalk, Button, ButtonType, Failure, FailureCode, Fallback, Fault, Mms, PhoneNumber, Purpose,
        Refusal, Report, ReportedStatus, SendOutcome, Sender, Sms, TextKind,
    },
    verdict::Verdict,
    webhook::{WebhookError, WebhookEvent, WebhookFormat},
};

const SECRET: &str = "cb-secret";
const BODY: &[u8] = br#"[{"eventId":"ev-1","messageId":"m-1","status":"DELIVERED"}]"#;
const SIGNATURE: &str = "d76708d0ffb02299f47a2260b4a0d5ef5c66d314802e84f0f3b61faf4374eae9";

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_000).unwrap()
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: None, body: Some(body.as_bytes().to_vec()) }
}

// Requests

#[test]
fn requests_are_signed_as_in_the_documents_vectors() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"SK-demo-secret");
    for (method, target, signature) in [
        ("POST", "/v2/services/svc-demo/messages", "ml40/npLg1ysX5i8PR1tNai3S8Ae3gTl8nK/o3n9uXo="),
        ("GET", "/v2/services/svc-demo/messages?clientRef=ord-1001", "9F+4f4YIMcedLhHDaySYI4aZIZACtLupi+myMfnaqlE="),
    ] {
        assert_eq!(sign(&key, method, target, "1700000000000", "AK-demo"), signature);
    }
}

fn sms(kind: TextKind, purpose: Purpose) -> Sms {
    Sms {
        reference: "ord-1001".into(),
        to: PhoneNumber::parse("010-1234-5678").unwrap(),
        sender: Sender::parse("1588-1234").unwrap(),
        text: "안녕하세요".into(),
        subject: "제목".into(),
        kind,
        purpose,
    }
}

fn sent(request: &SendRequest<'_>) -> Value {
    serde_json::to_value(request).unwrap()
}

#[test]
fn every_field_of_an_sms_and_an_lms_is_where_the_document_wants_it() {
    assert_eq!(
        sent(&SendRequest::texts(&[&sms(TextKind::Sms, Purpose::Transactional)])),
        json!({
            "type": "SMS", "contentType": "COMM", "from": "15881234", "content": "안녕하세요",
            "messages": [{"to": "01012345678", "clientRef": "ord-1001"}],
        })
    );
    let purpose = Purpose::Advertisement(Advertisement { opt_out_number: "0801234567".into() });
    assert_eq!(
        sent(&SendRequest::texts(&[&sms(TextKind::Lms, purpose)])),
        json!({
            "type": "LMS", "contentType": "AD", "from": "15881234", "subject": "제목", "content": "안녕하세요",
            "messages": [{"to": "01012345678", "clientRef": "ord-1001"}],
        })
    );
}

#[test]
fn every_field_of_an_mms_is_where_the_document_wants_it() {
    let mms = Mms {
        reference: "ord-1002".into(),
        to: PhoneNumber::parse("+82 10 1234 5678").unwrap(),
        sender: Sender::parse("02-123-4567").unwrap(),
        text: "사진".into(),
        subject: String::new(),
        images: Vec::new(),
        purpose: Purpose::Transactional,
    };
    assert_eq!(
        sent(&SendRequest::mms(&mms, &["f-1".to_owned(), "f-2".to_owned()])),
        json!({
            "type": "MMS", "contentType": "COMM", "from": "021234567", "content": "사진",
            "messages": [{"to": "01012345678", "clientRef": "ord-1002"}],
            "files": [{"fileId": "f-1"}, {"fileId": "f-2"}],
        })
    );
}

fn button(kind: ButtonType, name: &str, links: [&str; 4]) -> Button {
    let [mobile_url, pc_url, ios_scheme, android_scheme] = links.map(str::to_owned);
    Button { kind, name: name.into(), mobile_url, pc_url, ios_scheme, android_scheme }
}

fn alimtalk(fallback: Option<Fallback>) -> Alimtalk {
    Alimtalk {
        reference: "ord-1003".into(),
        to: PhoneNumber::parse("01012345678").unwrap(),
        sender_profile: String::new(),
        template_code: "ORDER".into(),
        content: "#{name}님".into(),
        rendered: "홍길동님".into(),
        variables: [("name".to_owned(), "홍길동".to_owned())].into(),
        title: "배송".into(),
        buttons: vec![
            button(ButtonType::WebLink, "조회", ["https://m", "https://p", "", ""]),
            button(ButtonType::AppLink, "앱", ["", "", "ios://", "android://"]),
            button(ButtonType::DeliveryTracking, "배송", [""; 4]),
            button(ButtonType::BotKeyword, "봇", [""; 4]),
            button(ButtonType::MessageDelivery, "상담", [""; 4]),
        ],
        fallback,
    }
}

#[test]
fn every_field_of_an_alimtalk_is_where_the_document_wants_it() {
    let fallback = Fallback {
        sender: Sender::parse("1588-1234").unwrap(),
        subject: "제목".into(),
        text: "대체".into(),
        kind: TextKind::Lms,
    };
    let expected = json!({
        "type": "ALIMTALK", "content": "홍길동님",
        "messages": [{"to": "01012345678", "clientRef": "ord-1003"}],
        "channelId": "@shop", "templateCode": "ORDER", "title": "배송",
        "buttons": [
            {"type": "WL", "name": "조회", "linkMobile": "https://m", "linkPc": "https://p"},
            {"type": "AL", "name": "앱", "schemeIos": "ios://", "schemeAndroid": "android://"},
            {"type": "DS", "name": "배송"},
            {"type": "BK", "name": "봇"},
            {"type": "MD", "name": "상담"},
        ],
        "useSmsFailover": true,
        "failoverConfig": {"type": "LMS", "from": "15881234", "subject": "제목", "content": "대체"},
    });
    assert_eq!(sent(&SendRequest::alimtalk(&alimtalk(Some(fallback.clone())), "@shop")), expected);
    let sms = sent(&SendRequest::alimtalk(&alimtalk(Some(Fallback { kind: TextKind::Sms, ..fallback })), "@shop"));
    assert_eq!(sms["failoverConfig"], json!({"type": "SMS", "from": "15881234", "content": "대체"}));
}

#[test]
fn an_alimtalk_without_fallback_says_so_since_the_channels_own_setting_may_be_on() {
    let mut alimtalk = alimtalk(None);
    alimtalk.buttons = vec![button(ButtonType::ChannelAdd, "채널 추가", [""; 4])];
    alimtalk.title.clear();
    assert_eq!(
        sent(&SendRequest::alimtalk(&alimtalk, "@shop")),
        json!({
            "type": "ALIMTALK", "content": "홍길동님",
            "messages": [{"to": "01012345678", "clientRef": "ord-1003"}],
            "channelId": "@shop", "templateCode": "ORDER",
            "buttons": [{"type": "AC", "name": "채널 추가"}],
            "useSmsFailover": false,
        })
    );
}

// Answers

#[test]
fn every_code_of_the_document_has_its_meaning() {
    use FailureCode::*;
    use Fault::{Account, Message, Vendor};
    use Verdict::{InDoubt, Permanent, Temporary};
    for (status, code, verdict, meaning) in [
        (400, "100", Permanent(Message), ContentRejected),
        (400, "1001", Permanent(Message), InvalidRecipient),
        (400, "1002", Permanent(Message), ContentRejected),
        (400, "1003", Permanent(Message), ContentRejected),
        (400, "1004", Permanent(Account), SenderRejected),
        (400, "1005", Permanent(Message), TemplateRejected),
        (400, "1006", Permanent(Message), TemplateRejected),
        (400, "1007", Permanent(Message), ContentRejected),
        (400, "1008", Permanent(Message), ContentRejected),
        (400, "2004", Permanent(Message), ContentRejected),
        (400, "2005", Permanent(Message), ContentRejected),
        (401, "200", Permanent(Account), CredentialsRejected),
        (401, "210", Permanent(Account), CredentialsRejected),
        (403, "230", Permanent(Account), CredentialsRejected),
        (402, "600", Permanent(Account), InsufficientBalance),
        (404, "300", Permanent(Account), CredentialsRejected),
        (429, "410", Temporary(Vendor), ProviderThrottled),
        (429, "400", Temporary(Account), InsufficientBalance),
        (503, "500", Temporary(Vendor), ProviderUnavailable),
        (500, "900", InDoubt, ProviderUnavailable),
        (504, "510", InDoubt, ProviderTimeout),
        // Not in the document: a status keeps its class, a 5xx proves nothing.
        (500, "500", InDoubt, ProviderUnavailable),
        (503, "900", InDoubt, ProviderUnavailable),
        (400, "7777", Permanent(Message), Unknown),
        (409, "7777", Permanent(Message), Unknown),
        (401, "7777", Permanent(Account), CredentialsRejected),
        (429, "7777", Temporary(Vendor), ProviderThrottled),
    ] {
        let body = json!({"error": {"errorCode": code, "message": "01012345678", "details": ""}}).to_string();
        let finding = judge(&answer(status, &body), at());
        assert_eq!((finding.meaning.verdict, finding.meaning.code), (verdict, meaning), "{status}/{code}");
        assert_eq!(finding.provider_code, code);
        let (failure, retryable) = match finding.into_outcome() {
            SendOutcome::Refused(Refusal { failure, fault, .. }) => {
                assert_eq!(verdict, if failure.retryable { Temporary(fault) } else { Permanent(fault) });
                (failure, matches!(verdict, Temporary(_)))
            }
            SendOutcome::InDoubt(failure) => (failure, false),
            SendOutcome::Accepted(_) => panic!("{status}/{code} is no acceptance"),
        };
        assert_eq!((failure.code, failure.retryable), (meaning, retryable), "{status}/{code}");
        assert!(!failure.detail.contains("01012345678"), "the vendor's own words are not repeated");
    }
}

#[test]
fn an_answer_without_a_code_is_judged_by_its_status() {
    use Fault::{Account, Message, Vendor};
    use Verdict::{InDoubt, Permanent, Temporary};
    for (status, verdict) in [
        (200, InDoubt),
        (204, InDoubt),
        (301, InDoubt),
        (307, InDoubt),
        (400, Permanent(Message)),
        (401, Permanent(Account)),
        (402, Permanent(Account)),
        (403, Permanent(Account)),
        (404, Permanent(Account)),
        (408, InDoubt),
        (409, InDoubt),
        (429, Temporary(Vendor)),
        (500, InDoubt),
        (502, InDoubt),
        (503, InDoubt),
        (504, InDoubt),
    ] {
        for body in ["", "<html><body>Bad Gateway</body></html>", "{\"error\":{\"errorC"] {
            assert_eq!(judge(&answer(status, body), at()).meaning.verdict, verdict, "{status} {body}");
        }
    }
}

#[test]
fn the_daily_quota_is_new_at_midnight_in_korea() {
    // 2023-11-14T22:13:20Z is 07:13:20 in Korea.
    let finding = judge(&answer(429, r#"{"error":{"errorCode":"400"}}"#), at());
    assert_eq!(
        finding.retry_after,
        (TimeDelta::hours(16) + TimeDelta::minutes(46) + TimeDelta::seconds(40)).to_std().ok()
    );
    let told = Answer {
        retry_after: Some(std::time::Duration::from_secs(5)),
        ..answer(429, r#"{"error":{"errorCode":"400"}}"#)
    };
    assert_eq!(judge(&told, at()).retry_after, told.retry_after);
}

fn received(body: &Value) -> SendOutcome {
    receipt(&answer(202, &body.to_string()), "ord-1001")
}

#[test]
fn the_documents_receipt_is_an_acceptance() {
    let body = r#"{"requestId":"RCM-1f0c","requestTime":1700000000123,"statusCode":"202","statusName":"success",
        "messages":[{"messageId":"m-9b2e","to":"01012345678","clientRef":"ord-1001",
        "requestStatusCode":"A000","requestStatusName":"success","requestStatusDesc":""}]}"#;
    let SendOutcome::Accepted(acceptance) = receipt(&answer(202, body), "ord-1001") else { panic!("not accepted") };
    assert_eq!(acceptance.provider_message_id, "m-9b2e");
    assert_eq!(acceptance.accept_time, DateTime::from_timestamp_millis(1_700_000_000_123));
}

#[test]
fn a_recipient_refused_inside_a_202_is_refused_by_its_code() {
    for (code, expected, fault) in [
        ("1001", FailureCode::InvalidRecipient, Fault::Message),
        ("1004", FailureCode::SenderRejected, Fault::Account),
        ("600", FailureCode::InsufficientBalance, Fault::Account),
        ("B123", FailureCode::Unknown, Fault::Message),
    ] {
        let outcome = received(&json!({"messages": [{
            "messageId": "", "clientRef": "ord-1001", "requestStatusCode": code, "requestStatusName": "fail",
        }]}));
        let SendOutcome::Refused(refusal) = outcome else { panic!("{code} is a refusal") };
        assert_eq!(
            (refusal.failure.code, refusal.fault, refusal.failure.provider_code.as_str()),
            (expected, fault, code)
        );
    }
    let unknown = json!({"messages": [{"requestStatusCode": "900", "requestStatusName": "fail"}]});
    assert!(matches!(received(&unknown), SendOutcome::InDoubt(_)), "900 proves nothing, wherever it stands");
}

#[test]
fn a_receipt_that_is_not_ours_or_contradicts_itself_proves_nothing() {
    for body in [
        json!({}),
        json!({"messages": []}),
        json!({"messages": [{"messageId": "m-1", "clientRef": "another", "requestStatusCode": "A000"}]}),
        json!({"messages": [{"messageId": "", "requestStatusCode": "A000", "requestStatusName": "success"}]}),
        json!({"messages": [{"messageId": "m\u{0}1", "requestStatusCode": "A000", "requestStatusName": "success"}]}),
        json!({"messages": [{"messageId": "m".repeat(129), "requestStatusCode": "A000", "requestStatusName": "success"}]}),
        json!({"messages": [{"messageId": "m-1", "requestStatusCode": "A000", "requestStatusName": "fail"}]}),
        json!({"messages": [{"messageId": "m-1", "requestStatusCode": "1001", "requestStatusName": "success"}]}),
        json!({"messages": [{"messageId": "m-1", "requestStatusCode": "1001"}]}),
    ] {
        assert!(matches!(received(&body), SendOutcome::InDoubt(_)), "{body}");
    }
    let broken = Answer { body: None, ..answer(202, "") };
    assert!(matches!(receipt(&broken, "ord-1001"), SendOutcome::InDoubt(_)));
}

#[test]
fn only_an_expired_file_is_uploaded_again() {
    let refused = |code| judge(&answer(400, &json!({"error": {"errorCode": code}}).to_string()), at()).into_outcome();
    assert!(errors::file_expired(&refused("2004")));
    assert!(!errors::file_expired(&refused("2005")));
}

// Callbacks

fn events(body: &str) -> Vec<WebhookEvent> {
    Callbacks.parse(body.as_bytes()).unwrap()
}

fn report(body: &Value) -> Report {
    match events(&json!([body]).to_string()).pop() {
        Some(WebhookEvent::Report(report)) => *report,
        other => panic!("{other:?} is no report"),
    }
}

#[test]
fn every_status_of_the_document_has_its_meaning() {
    use ReportedStatus::*;
    for (status, name, code, expected, failure) in [
        ("READY", Value::Null, Value::Null, Some(Queued), None),
        ("PROCESSING", Value::Null, Value::Null, Some(Sent), None),
        ("COMPLETED", json!("success"), json!("0"), Some(Delivered), None),
        ("COMPLETED", json!("success"), json!("0000"), Some(Delivered), None),
        ("COMPLETED", json!("fail"), json!("2003"), Some(Failed), Some(FailureCode::RecipientUnreachable)),
        ("COMPLETED", json!("fail"), json!("8888"), Some(Failed), Some(FailureCode::Unknown)),
        ("COMPLETED", json!("fail"), json!("3005"), Some(Sent), None),
        ("COMPLETED", json!("success"), json!("3005"), Some(Sent), None),
        ("PROCESSING", json!("fail"), json!("3005"), Some(Sent), None),
        // No document names these.
        ("COMPLETED", json!("success"), json!("1001"), None, None),
        ("COMPLETED", json!("maybe"), json!("0"), None, None),
        ("COMPLETED", Value::Null, Value::Null, None, None),
        ("DELIVERED", json!("success"), json!("0"), None, None),
        ("HANDED_OVER", Value::Null, Value::Null, None, None),
    ] {
        let report = report(&json!({"messageId": "m-1", "status": status, "statusName": name, "statusCode": code}));
        assert_eq!(report.status, expected, "{status}/{name}/{code}");
        assert_eq!(report.failure.map(|failure| failure.code), failure, "{status}/{name}/{code}");
    }
}

#[test]
fn the_documents_event_is_read_whole() {
    let event = r#"[{"eventId":"ev-77","messageId":"m-9b2e","requestId":"RCM-1f0c","clientRef":"ord-1001","type":"SMS",
        "status":"COMPLETED","statusName":"success","statusCode":"0","statusMessage":"성공",
        "telcoCode":"SKT","completeTime":1700000005000,"eventTime":1700000005100,"failover":null,"added":{"x":1}}]"#;
    assert_eq!(
        events(event),
        [WebhookEvent::Report(Box::new(Report {
            provider_message_id: "m-9b2e".into(),
            client_reference: "ord-1001".into(),
            status: Some(ReportedStatus::Delivered),
            provider_status: "COMPLETED/success/0".into(),
            failure: None,
            occur_time: DateTime::from_timestamp_millis(1_700_000_005_000),
            event_key: "cloudmsg:m-9b2e:COMPLETED/success/0:1700000005000".into(),
            fallback: None,
        }))]
    );
}

#[test]
fn an_unknown_word_is_kept_as_it_came() {
    let report = report(&json!({"messageId": "m-1", "status": "HANDED_OVER", "statusCode": "77"}));
    assert_eq!((report.status, report.provider_status.as_str()), (None, "HANDED_OVER/77"));
}

#[test]
fn the_failover_is_reported_and_moves_the_events_key() {
    let event = |failover: Value| {
        report(&json!({"messageId": "m-1", "status": "COMPLETED", "statusName": "fail", "statusCode": "3019",
            "completeTime": 1_700_000_005_000_i64, "failover": failover}))
    };
    let none = event(Value::Null);
    let under_way = event(json!({"messageId": "m-2", "status": "PROCESSING", "statusName": null, "statusCode": null}));
    let failed = event(json!({"messageId": "m-2", "status": "COMPLETED", "statusName": "fail", "statusCode": "2003"}));
    assert_eq!(none.failure.map(|failure| failure.code), Some(FailureCode::NotKakaoUser));
    assert_eq!(
        under_way.fallback.map(|it| (it.provider_message_id, it.status)),
        Some(("m-2".into(), Some(ReportedStatus::Sent)))
    );
    let fallback = failed.fallback.unwrap();
    assert_eq!(fallback.failure.map(|failure| failure.code), Some(FailureCode::RecipientUnreachable));
    let keys = [none.event_key, under_way.event_key, failed.event_key];
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2], "{keys:?}");
}

#[test]
fn the_same_event_has_one_key_by_callback_and_by_look_up() {
    let shared = json!({"messageId": "m-1", "clientRef": "r", "status": "COMPLETED", "statusName": "success",
        "statusCode": "0", "completeTime": 1_700_000_005_000_i64, "failover": null});
    let with = |field: &str| {
        let mut item = shared.clone();
        item[field] = json!(1_700_000_009_999_i64);
        report(&item).event_key
    };
    assert_eq!(with("eventTime"), with("requestTime"));
}

#[test]
fn one_malformed_element_does_not_reject_the_others() {
    let body = r#"[{"messageId":"m-1","status":"READY"},{"status":"READY"},7,{"messageId":7,"status":"READY"},
        {"messageId":"","status":"READY"},{"messageId":"m\u0000","status":"READY"},{"messageId":"m-2","status":"READY"}]"#;
    let events = events(body);
    let malformed: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            WebhookEvent::Malformed { index, why, raw } => Some((*index, why.as_str(), raw.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(malformed.iter().map(|(index, ..)| *index).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(malformed[0].1.starts_with("missing field `messageId`"), "{}", malformed[0].1);
    assert_eq!(malformed[1].2, "7");
    assert_eq!(malformed[4].1, "messageId holds a control character");
    assert!(matches!(&events[6], WebhookEvent::Report(report) if report.provider_message_id == "m-2"));
}

#[test]
fn a_body_that_is_no_array_of_up_to_100_events_is_malformed() {
    assert_eq!(events("[]"), []);
    let event = r#"{"messageId":"m","status":"READY"}"#;
    let array = |count| format!("[{}]", vec![event; count].join(","));
    assert_eq!(events(&array(100)).len(), 100);
    for body in [array(101).as_str(), event, "", "null", "[{]", "[1", "\"x\"", "\u{feff}[]"] {
        assert!(matches!(Callbacks.parse(body.as_bytes()), Err(WebhookError::Malformed(_))), "{body}");
    }
    assert!(matches!(Callbacks.parse(b"[\"\xff\"]"), Err(WebhookError::Malformed(_))));
}

#[test]
fn deep_nesting_and_huge_numbers_are_survived() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert!(Callbacks.parse(deep.as_bytes()).is_ok_and(|events| matches!(events[0], WebhookEvent::Malformed { .. })));
    let unknown = format!(r#"[{{"messageId":"m","status":"READY","x":{}1{}}}]"#, "[".repeat(100), "]".repeat(100));
    assert!(matches!(events(&unknown)[0], WebhookEvent::Report(_)));
    for time in ["1e999", "99999999999999999999999999", "1.5", "\"01012345678\""] {
        let body = format!(r#"[{{"messageId":"m","status":"READY","completeTime":{time}}}]"#);
        assert!(
            matches!(&events(&body)[0], WebhookEvent::Malformed { why, .. } if !why.contains("01012345678")),
            "{time}"
        );
    }
    let far = report(&json!({"messageId": "m", "status": "READY", "completeTime": i64::MAX}));
    assert_eq!(far.occur_time, None);
}

#[test]
fn a_time_that_cannot_be_meant_is_none_and_still_tells_events_apart() {
    // In µs it lies in the year 55840, in s in 1970.
    let [in_micros, in_seconds, right] = [1_700_000_005_000_000_i64, 1_700_000_005, 1_700_000_005_000];
    let at = |complete: i64, event: i64| {
        report(&json!({"messageId": "m", "status": "READY", "completeTime": complete, "eventTime": event}))
    };
    for wrong in [in_micros, in_seconds, 0, -200_000_000_000_000] {
        let report = at(wrong, wrong);
        assert_eq!(report.occur_time, None, "{wrong}");
        assert_eq!(report.event_key, format!("cloudmsg:m:READY:{wrong}"));
        assert_eq!(at(wrong, right).occur_time, DateTime::from_timestamp_millis(right));
    }
    let receipt = received(&json!({"requestTime": in_micros, "messages": [
        {"messageId": "m", "clientRef": "ord-1001", "requestStatusCode": "A000", "requestStatusName": "success"}]}));
    assert!(matches!(receipt, SendOutcome::Accepted(acceptance) if acceptance.accept_time.is_none()));
}

// Signatures

fn verify(signature: &str, secrets: &[&str], now: DateTime<Utc>) -> Result<Vec<usize>, WebhookError> {
    let mut headers = HeaderMap::new();
    headers.insert("x-cm-callback-signature", HeaderValue::from_str(signature).unwrap());
    let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    Callbacks.verify(&headers, BODY, &secrets.iter().collect::<Vec<_>>(), now)
}

#[test]
fn the_documents_callback_is_verified() {
    let good = format!("t=1700000000000,v1={SIGNATURE}");
    assert_eq!(verify(&good, &[SECRET], at()), Ok(vec![0]));
    assert_eq!(verify(&good, &["another", SECRET, SECRET], at()), Ok(vec![1, 2]));
    let rotated = format!("v1={}, t=1700000000000 , v1={SIGNATURE},v2=x", "0".repeat(64));
    assert_eq!(verify(&rotated, &["new", SECRET], at()), Ok(vec![1]), "two signatures, any order, spaces");
    assert_eq!(verify(&format!("t=1700000000000,v1={}", SIGNATURE.to_uppercase()), &[SECRET], at()), Ok(vec![0]));
}

#[test]
fn a_callback_of_nobody_is_not_verified() {
    let good = format!("t=1700000000000,v1={SIGNATURE}");
    assert!(verify(&good, &[], at()).is_err());
    assert!(verify(&good, &["another"], at()).is_err());
    assert!(verify(&good, &[""], at()).is_err());
    for header in [
        String::new(),
        "t=1700000000000".to_owned(),
        format!("v1={SIGNATURE}"),
        format!("t=1700000000001,v1={SIGNATURE}"),
        format!("t=01700000000000,v1={SIGNATURE}"),
        format!("t=+1700000000000,v1={SIGNATURE}"),
        format!("t=1700000000000,t=1700000000000,v1={SIGNATURE}"),
        format!("t=1700000000000,v1={}", &SIGNATURE[..62]),
        format!("t=1700000000000,v0={SIGNATURE}"),
        format!("t=1700000000000,v1={SIGNATURE}{}", format!(",v1={}", "0".repeat(64)).repeat(8)),
    ] {
        assert!(verify(&header, &[SECRET], at()).is_err(), "{header}");
    }
}

#[test]
fn a_callback_is_believed_for_five_minutes_both_ways() {
    let good = format!("t=1700000000000,v1={SIGNATURE}");
    for (off, believed) in [(-300_001, false), (-300_000, true), (300_000, true), (300_001, false)] {
        assert_eq!(verify(&good, &[SECRET], at() + TimeDelta::milliseconds(off)).is_ok(), believed, "{off}");
    }
}

#[test]
fn a_header_given_twice_is_not_believed() {
    let mut headers = HeaderMap::new();
    headers.append("x-cm-service-id", HeaderValue::from_static("svc-demo"));
    assert_eq!(Callbacks.account(&headers), Ok("svc-demo"));
    headers.append("x-cm-service-id", HeaderValue::from_static("svc-other"));
    assert!(Callbacks.account(&headers).is_err());
    assert!(Callbacks.account(&HeaderMap::new()).is_err());
}

#[test]
fn a_failure_is_printed_without_what_it_must_not_hold() {
    let failure: Failure =
        judge(&answer(400, r#"{"error":{"errorCode":"1001","message":"010-1234-5678"}}"#), at()).into_failure();
    assert!(!format!("{failure:?}").contains("1234"));
}
