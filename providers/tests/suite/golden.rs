//! Requests byte for byte. Existing customers rely on CloudMsg's.
//!
//! A request is compared as it left the socket, headers and all; only the port is replaced. When one differs, what was
//! sent is left in a file whose name the failure tells: compare, and copy it over the golden one if the change is meant.

use std::{fs, path::Path};

use chrono::{DateTime, Utc};
use switchboard_providers::{
    MessageProvider,
    model::{Image, LookUp, SendOutcome},
};

use crate::{
    capture::{Capture, http},
    fixtures::{RECIPIENT, alimtalk, credentials, fallback, image, lms, mms, sms, vendor},
};

const SENDER: &str = "1588-1234";

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_000).unwrap()
}

fn pixel() -> Image {
    image(include_bytes!("golden/pixel.jpg").to_vec())
}

/// Calls a vendor with fixed credentials and compares its requests.
async fn golden(code: &str, name: &str, answers: &[Vec<u8>], call: impl AsyncFnOnce(&dyn MessageProvider)) {
    let capture = Capture::start().await;
    let url = capture.url();
    let credentials = credentials(match code {
        "cloudmsg" => &[
            ("service_id", "svc-demo"),
            ("access_key", "AK-demo-0001"),
            ("secret_key", "SK-demo-secret"),
            ("channel_id", "@hanbit"),
        ],
        _ => &[
            ("account_id", "acct_demo01"),
            ("api_key", "stdemo_0123456789abcdef"),
            ("sender_profile_key", "0123456789abcdef0123456789abcdef01234567"),
        ],
    });
    let account = vendor(code, &url).open(&credentials).unwrap();
    let (requests, ()) = tokio::join!(capture.answer(answers), call(&*account));
    let port = url.rsplit(':').next().unwrap();
    let sent = requests.concat();
    let sent = replace(&sent, format!("host: 127.0.0.1:{port}\r\n").as_bytes(), b"host: 127.0.0.1:PORT\r\n");

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/golden").join(name);
    if fs::read(&golden).ok().as_deref() != Some(&sent[..]) {
        let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&actual, &sent).unwrap();
        panic!("{name} is not what is sent; see {}", actual.display());
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(position) = rest.windows(from.len()).position(|window| window == from) {
        replaced.extend_from_slice(&rest[..position]);
        replaced.extend_from_slice(to);
        rest = &rest[position + from.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

fn cloudmsg_accepts() -> Vec<u8> {
    let body = r#"{"requestId":"r","requestTime":1700000000123,"statusCode":"202","statusName":"success",
        "messages":[{"messageId":"m-1","to":"01012345678","requestStatusCode":"A000","requestStatusName":"success"}]}"#;
    http(202, "content-type: application/json\r\n", body.as_bytes())
}

fn sendtalk_accepts() -> Vec<u8> {
    let body = r#"{"result":{"ok":true,"code":0,"message":"SUCCESS"},"data":{"message_id":"st_1","replayed":false}}"#;
    http(200, "content-type: application/json\r\n", body.as_bytes())
}

fn assert_accepted(outcome: &SendOutcome) {
    assert!(matches!(outcome, SendOutcome::Accepted(_)), "{outcome:?}");
}

#[tokio::test]
async fn cloudmsg_sms() {
    golden("cloudmsg", "cloudmsg-sms.http", &[cloudmsg_accepts()], async |account| {
        assert_accepted(&account.send_sms(&sms("ord-1001", RECIPIENT, SENDER), at()).await);
    })
    .await;
}

#[tokio::test]
async fn cloudmsg_lms() {
    golden("cloudmsg", "cloudmsg-lms.http", &[cloudmsg_accepts()], async |account| {
        assert_accepted(&account.send_sms(&lms("ord-1001", RECIPIENT, SENDER), at()).await);
    })
    .await;
}

#[tokio::test]
async fn cloudmsg_mms() {
    let uploaded = http(200, "", br#"{"fileId":"f-1","createTime":1700000000000,"expireTime":1700518400000}"#);
    golden("cloudmsg", "cloudmsg-mms.http", &[uploaded, cloudmsg_accepts()], async |account| {
        assert_accepted(&account.send_mms(&mms("ord-1001", RECIPIENT, SENDER, vec![pixel()]), at()).await);
    })
    .await;
}

#[tokio::test]
async fn cloudmsg_alimtalk() {
    golden("cloudmsg", "cloudmsg-alimtalk.http", &[cloudmsg_accepts(), cloudmsg_accepts()], async |account| {
        let with = alimtalk("ord-1001", RECIPIENT, Some(fallback(SENDER)));
        assert_accepted(&account.send_alimtalk(&alimtalk("ord-1001", RECIPIENT, None), at()).await);
        assert_accepted(&account.send_alimtalk(&with, at()).await);
    })
    .await;
}

#[tokio::test]
async fn cloudmsg_look_up_and_check() {
    let nothing = http(404, "", b"");
    let service = http(200, "", br#"{"serviceId":"svc-demo","status":"ACTIVE","senderNumbers":[],"channels":[]}"#);
    golden("cloudmsg", "cloudmsg-look-up-and-check.http", &[nothing.clone(), nothing, service], async |account| {
        assert_eq!(account.look_up(LookUp::Reference("ord-1001"), at()).await, Ok(Vec::new()));
        assert_eq!(account.look_up(LookUp::ProviderMessageId("m-9b2e"), at()).await, Ok(Vec::new()));
        assert!(account.validate_credentials(at()).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn sendtalk_sms() {
    golden("sendtalk", "sendtalk-sms.http", &[sendtalk_accepts()], async |account| {
        assert_accepted(&account.send_sms(&sms("ord-1001", RECIPIENT, SENDER), at()).await);
    })
    .await;
}

#[tokio::test]
async fn sendtalk_lms() {
    golden("sendtalk", "sendtalk-lms.http", &[sendtalk_accepts()], async |account| {
        assert_accepted(&account.send_sms(&lms("ord-1001", RECIPIENT, SENDER), at()).await);
    })
    .await;
}

#[tokio::test]
async fn sendtalk_mms() {
    golden("sendtalk", "sendtalk-mms.http", &[sendtalk_accepts()], async |account| {
        assert_accepted(&account.send_mms(&mms("ord-1001", RECIPIENT, SENDER, vec![pixel(), pixel()]), at()).await);
    })
    .await;
}

#[tokio::test]
async fn sendtalk_alimtalk() {
    golden("sendtalk", "sendtalk-alimtalk.http", &[sendtalk_accepts(), sendtalk_accepts()], async |account| {
        let with = alimtalk("ord-1001", RECIPIENT, Some(fallback(SENDER)));
        assert_accepted(&account.send_alimtalk(&alimtalk("ord-1001", RECIPIENT, None), at()).await);
        assert_accepted(&account.send_alimtalk(&with, at()).await);
    })
    .await;
}

#[tokio::test]
async fn sendtalk_look_up_and_check() {
    let nothing = http(200, "", br#"{"result":{"ok":false,"code":-4104,"message":"not found"},"data":null}"#);
    let account = http(
        200,
        "",
        br#"{"result":{"ok":true,"code":0,"message":""},"data":{"account_id":"acct_demo01","status":"active","balance":1,
        "sender_numbers":[],"sender_profiles":[{"key_last4":"4567","status":"active"}]}}"#,
    );
    golden("sendtalk", "sendtalk-look-up-and-check.http", &[nothing.clone(), nothing, account], async |account| {
        assert_eq!(account.look_up(LookUp::Reference("ord-1001"), at()).await, Ok(Vec::new()));
        assert_eq!(account.look_up(LookUp::ProviderMessageId("st_01H8"), at()).await, Ok(Vec::new()));
        assert!(account.validate_credentials(at()).await.is_ok());
    })
    .await;
}
