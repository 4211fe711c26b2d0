//! SendTalk's document, line by line.

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    client::{data, outcome},
    webhook::Callbacks,
    wire::{AlimtalkRequest, MmsPayload, SmsRequest},
};
use crate::{
    http::Answer,
    model::{
        Advertisement, Alimtalk, Button, ButtonType, FailureCode, Fallback, Fault, Mms, PhoneNumber, Purpose, Refusal,
        Report, ReportedStatus, SendOutcome, Sender, Sms, TextKind,
    },
    verdict::Verdict,
    webhook::{WebhookError, WebhookEvent, WebhookFormat},
};

const SECRET: &str = "whsec_c2VuZHRhbGstZGVtby1zZWNyZXQtMzItYnl0ZXMhISE=";
const BODY: &[u8] =
    br#"{"type":"message.status","timestamp":"2023-11-14T22:13:20Z","data":{"message_id":"st_1","status":"delivered"}}"#;
const SIGNATURE: &str = "v1,lmCwYcNjyMSFiLOFGu+kuvGt3Dn9DXhTfW8Jl8muS0s=";

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: None, body: Some(body.as_bytes().to_vec()) }
}

fn verdict(code: i64) -> String {
    json!({"result": {"ok": false, "code": code, "message": "+821012345678"}, "data": null}).to_string()
}

// Requests

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

fn advertisement() -> Purpose {
    Purpose::Advertisement(Advertisement { opt_out_number: "0801234567".into() })
}

fn sent(request: &impl serde::Serialize) -> Value {
    serde_json::to_value(request).unwrap()
}

#[test]
fn every_field_of_an_sms_and_an_lms_is_where_the_document_wants_it() {
    assert_eq!(
        sent(&SmsRequest::from(&sms(TextKind::Sms, Purpose::Transactional))),
        json!({"to": "+821012345678", "from": "+8215881234", "text": "안녕하세요", "reference": "ord-1001"})
    );
    assert_eq!(
        sent(&SmsRequest::from(&sms(TextKind::Sms, advertisement())))["ad"],
        json!({"opt_out_number": "+82801234567"})
    );
    assert_eq!(
        sent(&MmsPayload::lms(&sms(TextKind::Lms, advertisement()))),
        json!({
            "to": "+821012345678", "from": "+8215881234", "title": "제목", "text": "안녕하세요",
            "reference": "ord-1001", "ad": {"opt_out_number": "+82801234567"},
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
        sent(&MmsPayload::mms(&mms)),
        json!({"to": "+821012345678", "from": "+8221234567", "text": "사진", "reference": "ord-1002"})
    );
}

fn button(kind: ButtonType, links: [&str; 4]) -> Button {
    let [mobile_url, pc_url, ios_scheme, android_scheme] = links.map(str::to_owned);
    Button { kind, name: "버튼".into(), mobile_url, pc_url, ios_scheme, android_scheme }
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
            button(ButtonType::WebLink, ["https://m", "https://p", "", ""]),
            button(ButtonType::BotKeyword, [""; 4]),
            button(ButtonType::AppLink, ["", "", "ios://", "android://"]),
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
        "sender_profile_key": "key", "template_code": "ORDER", "to": "+821012345678",
        "variables": {"name": "홍길동"},
        "buttons": [
            {"order": 1, "mobile_url": "https://m", "pc_url": "https://p"},
            {"order": 3, "ios_scheme": "ios://", "android_scheme": "android://"},
        ],
        "reference": "ord-1003",
        "fallback": {"mode": "lms", "from": "+8215881234", "title": "제목", "text": "대체"},
    });
    assert_eq!(sent(&AlimtalkRequest::new(&alimtalk(Some(fallback.clone())), "key")), expected);
    let sms = alimtalk(Some(Fallback { kind: TextKind::Sms, ..fallback }));
    assert_eq!(
        sent(&AlimtalkRequest::new(&sms, "key"))["fallback"],
        json!({"mode": "sms", "from": "+8215881234", "text": "대체"})
    );
}

#[test]
fn an_alimtalk_without_fallback_says_so() {
    let mut alimtalk = alimtalk(None);
    alimtalk.buttons.clear();
    alimtalk.variables.clear();
    assert_eq!(
        sent(&AlimtalkRequest::new(&alimtalk, "key")),
        json!({
            "sender_profile_key": "key", "template_code": "ORDER", "to": "+821012345678", "variables": {},
            "reference": "ord-1003", "fallback": {"mode": "none"},
        })
    );
}

// Answers

#[test]
fn every_code_of_the_document_has_its_meaning() {
    use FailureCode::*;
    use Fault::{Account, Message, Vendor};
    use Verdict::{InDoubt, Permanent, Temporary};
    for (code, class, meaning) in [
        (-1001, Permanent(Account), CredentialsRejected),
        (-1002, Permanent(Account), CredentialsRejected),
        (-1008, Permanent(Account), CredentialsRejected),
        (-2017, Permanent(Account), CredentialsRejected),
        (-1010, InDoubt, Unknown),
        (-1011, InDoubt, ProviderUnavailable),
        (-9999, InDoubt, ProviderUnavailable),
        (-2021, Temporary(Vendor), ProviderUnavailable),
        (-1429, Temporary(Vendor), ProviderThrottled),
        (-2018, Permanent(Message), ContentRejected),
        (-2019, Permanent(Message), InvalidRecipient),
        (-2015, Permanent(Message), ContentRejected),
        (-2023, Permanent(Message), ContentRejected),
        (-2005, Permanent(Message), ContentRejected),
        (-2003, Permanent(Message), ContentRejected),
        (-2312, Permanent(Account), SenderRejected),
        (-2313, Permanent(Account), SenderRejected),
        (-3003, Permanent(Message), TemplateRejected),
        (-3004, Permanent(Message), TemplateRejected),
        (-3005, Permanent(Message), TemplateRejected),
        (-3006, Permanent(Message), TemplateRejected),
        (-3010, Permanent(Message), TemplateRejected),
        (-6001, Permanent(Message), RecipientBlocked),
        (-6003, Permanent(Message), ContentRejected),
        (-6010, Temporary(Message), ContentRejected),
        (-1030, Permanent(Account), InsufficientBalance),
        (-2052, Permanent(Account), InsufficientBalance),
        // In no document, but a verdict all the same.
        (-7777, Permanent(Message), Unknown),
        (i64::MIN, Permanent(Message), Unknown),
    ] {
        let (found, failure) = match outcome(&answer(200, &verdict(code)), "ord-1001") {
            SendOutcome::Refused(Refusal { failure, fault, .. }) => {
                (if failure.retryable { Temporary(fault) } else { Permanent(fault) }, failure)
            }
            SendOutcome::InDoubt(failure) => {
                assert!(!failure.retryable, "{code}: nobody may send it anew");
                (InDoubt, failure)
            }
            SendOutcome::Accepted(_) => panic!("{code} is no acceptance"),
        };
        assert_eq!((found, failure.code, failure.provider_code), (class, meaning, code.to_string()));
        assert!(!failure.detail.contains("1012345678"), "the vendor's own words are not repeated");
    }
}

#[test]
fn an_http_error_is_judged_by_its_verdict_or_else_by_its_status() {
    use Fault::{Account, Message, Vendor};
    use Verdict::{InDoubt, Permanent, Temporary};
    let html = "<html><body>Bad Gateway</body></html>".to_owned();
    for (status, body, expected) in [
        (401, verdict(-1001), Permanent(Account)),
        (401, html.clone(), Permanent(Account)),
        (403, verdict(-1002), Permanent(Account)),
        (403, String::new(), Permanent(Account)),
        (413, html.clone(), Permanent(Message)),
        (415, String::new(), Permanent(Message)),
        (429, verdict(-1429), Temporary(Vendor)),
        (429, html.clone(), Temporary(Vendor)),
        (400, verdict(-2019), Permanent(Message)),
        (400, html.clone(), InDoubt),
        (404, html.clone(), InDoubt),
        (500, verdict(-9999), InDoubt),
        (503, verdict(-2021), InDoubt),
        (500, verdict(-2019), InDoubt),
        (502, html.clone(), InDoubt),
        (504, html.clone(), InDoubt),
        (201, verdict(-2019), InDoubt),
        (302, String::new(), InDoubt),
    ] {
        let finding = data::<Value>(&answer(status, &body)).unwrap_err();
        assert_eq!(finding.meaning.verdict, expected, "{status} {body}");
    }
    assert_eq!(data::<Value>(&answer(504, &html)).unwrap_err().meaning.code, FailureCode::ProviderTimeout);
}

#[test]
fn the_documents_receipt_is_an_acceptance_also_when_it_is_replayed() {
    for replayed in ["false", "true"] {
        let body = format!(
            r#"{{"result":{{"ok":true,"code":0,"message":"SUCCESS"}},"data":{{"message_id":"st_01H8",
            "reference":"ord-1001","accepted_at":"2023-11-14T22:13:20.123+09:00","replayed":{replayed}}}}}"#
        );
        let SendOutcome::Accepted(acceptance) = outcome(&answer(200, &body), "ord-1001") else {
            panic!("not accepted")
        };
        assert_eq!(acceptance.provider_message_id, "st_01H8");
        assert_eq!(acceptance.accept_time.unwrap().to_rfc3339(), "2023-11-14T13:13:20.123+00:00");
    }
}

#[test]
fn a_receipt_that_is_not_ours_or_contradicts_itself_proves_nothing() {
    for body in [
        json!({}),
        json!({"result": {"ok": true, "code": 0}, "data": null}),
        json!({"result": {"ok": true, "code": 0}, "data": {"message_id": ""}}),
        json!({"result": {"ok": true, "code": 0}, "data": {"message_id": "st_\u{0}1"}}),
        json!({"result": {"ok": true, "code": 0}, "data": {"message_id": "s".repeat(129)}}),
        json!({"result": {"ok": true, "code": 0}, "data": {"message_id": "st_1", "reference": "another"}}),
        json!({"result": {"ok": true, "code": -2019}, "data": {"message_id": "st_1"}}),
        json!({"result": {"ok": false, "code": 0}, "data": null}),
        json!({"result": {"ok": false}, "data": null}),
    ] {
        assert!(matches!(outcome(&answer(200, &body.to_string()), "ord-1001"), SendOutcome::InDoubt(_)), "{body}");
    }
    for body in ["", "{\"result\":{\"ok\":true,\"co", "<html></html>"] {
        assert!(matches!(outcome(&answer(200, body), "ord-1001"), SendOutcome::InDoubt(_)), "{body}");
    }
}

// Callbacks

fn event(body: &str) -> WebhookEvent {
    let mut events = Callbacks.parse(body.as_bytes()).unwrap();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn report(data: &Value) -> Report {
    match event(&json!({"type": "message.status", "timestamp": "2023-11-14T22:13:25+09:00", "data": data}).to_string())
    {
        WebhookEvent::Report(report) => *report,
        other => panic!("{other:?} is no report"),
    }
}

#[test]
fn every_status_of_the_document_has_its_meaning() {
    use ReportedStatus::*;
    for (status, code, expected, failure) in [
        ("queued", Value::Null, Some(Queued), None),
        ("scheduled", Value::Null, Some(Queued), None),
        ("sent", Value::Null, Some(Sent), None),
        ("delivered", json!("0"), Some(Delivered), None),
        ("failed", json!("3019"), Some(Failed), Some(FailureCode::NotKakaoUser)),
        ("failed", json!("8888"), Some(Failed), Some(FailureCode::Unknown)),
        ("failed", Value::Null, Some(Failed), Some(FailureCode::Unknown)),
        ("failed", json!("3005"), Some(Sent), None),
        ("expired", json!("2000"), Some(Failed), Some(FailureCode::Expired)),
        ("expired", Value::Null, Some(Failed), Some(FailureCode::Expired)),
        ("unconfirmed", json!("3005"), Some(Sent), None),
        ("canceled", Value::Null, Some(Failed), Some(FailureCode::Unknown)),
        ("duplicated", Value::Null, Some(Failed), Some(FailureCode::Unknown)),
        ("handed_over", json!("1"), None, None),
        ("DELIVERED", Value::Null, None, None),
    ] {
        let report = report(&json!({"message_id": "st_1", "status": status, "result_code": code}));
        assert_eq!(report.status, expected, "{status}/{code}");
        assert_eq!(report.failure.map(|failure| failure.code), failure, "{status}/{code}");
    }
}

#[test]
fn the_documents_event_is_read_whole() {
    let body = r#"{"type":"message.status","timestamp":"2023-11-14T22:13:25+09:00","added":[1],
        "data":{"message_id":"st_01H8","reference":"ord-1001","channel":"alimtalk","status":"failed","result_code":"3019",
        "carrier":null,"occurred_at":"2023-11-14T22:13:24+09:00","added":{},
        "fallback":{"mode":"sms","status":"sent","message_id":"st_01H9"}}}"#;
    let WebhookEvent::Report(report) = event(body) else { panic!("no report") };
    assert_eq!((report.provider_message_id.as_str(), report.client_reference.as_str()), ("st_01H8", "ord-1001"));
    assert_eq!((report.status, report.provider_status.as_str()), (Some(ReportedStatus::Failed), "failed/3019"));
    assert_eq!(report.failure.unwrap().provider_code, "3019");
    assert_eq!(report.occur_time, DateTime::from_timestamp(1_699_967_604, 0));
    assert_eq!(report.event_key, "sendtalk:st_01H8:failed/3019:1699967604000+st_01H9:sent");
    let fallback = report.fallback.unwrap();
    assert_eq!((fallback.provider_message_id.as_str(), fallback.status), ("st_01H9", Some(ReportedStatus::Sent)));
}

#[test]
fn a_time_that_cannot_be_meant_is_none_and_still_tells_events_apart() {
    for (wrong, key) in [("0001-01-01T00:00:00+09:00", "-62135629200000"), ("1970-01-01T00:00:00Z", "0")] {
        let report =
            report(&json!({"message_id": "st_1", "status": "queued", "occurred_at": wrong, "accepted_at": wrong}));
        assert_eq!(report.occur_time, None, "{wrong}");
        assert_eq!(report.event_key, format!("sendtalk:st_1:queued:{key}"));
        let receipt = json!({"result": {"ok": true, "code": 0}, "data": {"message_id": "st_1", "accepted_at": wrong}});
        let outcome = outcome(&answer(200, &receipt.to_string()), "ord-1001");
        assert!(matches!(outcome, SendOutcome::Accepted(acceptance) if acceptance.accept_time.is_none()), "{wrong}");
    }
}

#[test]
fn a_fallback_that_does_nothing_is_none() {
    for fallback in [json!(null), json!({"mode": "none", "status": "sent"}), json!({"mode": "sms"})] {
        let report = report(&json!({"message_id": "st_1", "status": "failed", "fallback": fallback}));
        assert_eq!(report.fallback, None, "{fallback}");
    }
}

#[test]
fn events_of_other_types_are_ignored_and_named() {
    for kind in ["account.balance_low", "template.approved", "message.status.v2", "message.created"] {
        assert_eq!(
            event(&json!({"type": kind, "data": {"anything": 1}}).to_string()),
            WebhookEvent::Ignored { kind: kind.into() }
        );
    }
}

#[test]
fn an_event_that_cannot_be_read_is_set_aside_and_a_body_that_is_none_is_refused() {
    for data in [
        json!(null),
        json!({}),
        json!([]),
        json!({"message_id": 7, "status": "sent"}),
        json!({"message_id": "", "status": "sent"}),
    ] {
        let body = json!({"type": "message.status", "data": data}).to_string();
        assert!(matches!(event(&body), WebhookEvent::Malformed { index: 0, raw, .. } if raw == body), "{data}");
    }
    for body in ["", "[]", "null", "{}", "{\"type\":7}", "{\"type\":\"message.status\""] {
        assert!(matches!(Callbacks.parse(body.as_bytes()), Err(WebhookError::Malformed(_))), "{body}");
    }
    let deep = format!(r#"{{"type":"message.status","data":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    assert!(matches!(event(&deep), WebhookEvent::Malformed { .. }));
}

// Signatures

fn verify(
    id: &str,
    time: &str,
    signature: &str,
    secrets: &[&str],
    now: DateTime<Utc>,
) -> Result<Vec<usize>, WebhookError> {
    let mut headers = HeaderMap::new();
    for (name, value) in [("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    Callbacks.verify(&headers, BODY, &secrets.iter().collect::<Vec<_>>(), now)
}

#[test]
fn the_documents_callback_is_verified() {
    assert_eq!(verify("evt_1", "1700000000", SIGNATURE, &[SECRET], at()), Ok(vec![0]));
    let rotated = format!("v1,{}=  v1a,xx {SIGNATURE}", "A".repeat(43));
    let secrets = ["whsec_!", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", SECRET, SECRET];
    assert_eq!(verify("evt_1", "1700000000", &rotated, &secrets, at()), Ok(vec![2, 3]));
}

#[test]
fn a_callback_of_nobody_is_not_verified() {
    for (id, time, signature, secrets) in [
        ("evt_1", "1700000000", SIGNATURE, &[][..]),
        ("evt_1", "1700000000", SIGNATURE, &["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"][..]),
        ("evt_1", "1700000000", SIGNATURE, &["whsec_"][..]),
        ("evt_1", "1700000000", SIGNATURE, &["c2VuZHRhbGstZGVtby1zZWNyZXQtMzItYnl0ZXMhISE="][..]),
        ("evt_2", "1700000000", SIGNATURE, &[SECRET][..]),
        ("evt_1", "1700000001", SIGNATURE, &[SECRET][..]),
        ("evt_1", "1700000000.0", SIGNATURE, &[SECRET][..]),
        ("evt_1", "99999999999999999999", SIGNATURE, &[SECRET][..]),
        ("evt_1", "9223372036854775807", SIGNATURE, &[SECRET][..]),
        ("evt_1", "", SIGNATURE, &[SECRET][..]),
        ("", "1700000000", SIGNATURE, &[SECRET][..]),
        ("evt_1", "1700000000", "", &[SECRET][..]),
        ("evt_1", "1700000000", "v1,", &[SECRET][..]),
        ("evt_1", "1700000000", "v2,lmCwYcNjyMSFiLOFGu+kuvGt3Dn9DXhTfW8Jl8muS0s=", &[SECRET][..]),
        ("evt_1", "1700000000", "lmCwYcNjyMSFiLOFGu+kuvGt3Dn9DXhTfW8Jl8muS0s=", &[SECRET][..]),
    ] {
        assert!(verify(id, time, signature, secrets, at()).is_err(), "{id} {time} {signature}");
    }
}

#[test]
fn a_callback_is_believed_for_five_minutes_both_ways() {
    for (off, believed) in [(-301, false), (-300, true), (300, true), (301, false)] {
        let now = at() + TimeDelta::seconds(off);
        assert_eq!(verify("evt_1", "1700000000", SIGNATURE, &[SECRET], now).is_ok(), believed, "{off}");
    }
}
