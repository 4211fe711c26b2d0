use http::{Method, StatusCode};
use serde_json::{Value, json};
use switchboard_vendor_sim::demo::{CLOUDMSG_DEFAULT, CLOUDMSG_HANBIT, DemoCloudMsg};
use switchboard_vendor_sim::{AccountStatus, Settings, Verdict};

use crate::support::{Vendors, sms};

async fn send_as(vendors: &Vendors, account: &DemoCloudMsg, service: &str) -> (StatusCode, Value) {
    let target = format!("/v2/services/{service}/messages");
    let answer = vendors.cloudmsg_as(account, Method::POST, &target, Some(&sms("01012345678", "r"))).await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_wrong_secret_key_is_401_with_code_200_and_makes_no_message() {
    let vendors = Vendors::start().await;
    let forger = DemoCloudMsg { secret_key: "SK-guess", ..CLOUDMSG_DEFAULT };
    let (status, body) = send_as(&vendors, &forger, "svc-default").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(body["error"]["errorCode"], "200");
    assert!(vendors.sim.cloudmsg().messages().is_empty());
}

#[tokio::test]
async fn a_key_of_another_service_has_no_permission() {
    let vendors = Vendors::start().await;
    let (status, body) = send_as(&vendors, &CLOUDMSG_HANBIT, "svc-default").await;
    assert_eq!((status, &body["error"]["errorCode"]), (StatusCode::UNAUTHORIZED, &json!("210")));
}

#[tokio::test]
async fn an_unknown_service_is_404_with_code_300() {
    let vendors = Vendors::start().await;
    let (status, body) = send_as(&vendors, &CLOUDMSG_DEFAULT, "svc-nobody").await;
    assert_eq!((status, &body["error"]["errorCode"]), (StatusCode::NOT_FOUND, &json!("300")));
}

#[tokio::test]
async fn a_clock_six_minutes_off_is_refused() {
    let vendors = Vendors::start().await;
    let off = Settings { clock_offset_ms: 6 * 60 * 1000, ..Settings::default() };
    vendors.sim.cloudmsg().set_settings(off).unwrap();
    let (status, body) = vendors.cloudmsg_send(&sms("01012345678", "r")).await;
    assert_eq!((status, &body["error"]["errorCode"]), (StatusCode::UNAUTHORIZED, &json!("200")));
}

#[tokio::test]
async fn the_journal_says_why_and_hides_the_signature() {
    let vendors = Vendors::start().await;
    send_as(&vendors, &DemoCloudMsg { secret_key: "SK-guess", ..CLOUDMSG_DEFAULT }, "svc-default").await;
    let journal = vendors.sim.cloudmsg().journal();
    let entry = journal.invalid().next().unwrap();
    assert_eq!(
        entry.verdict,
        Verdict::Invalid { code: "200".to_owned(), reason: "the signature does not match".to_owned() }
    );
    assert_eq!(entry.headers["x-cm-signature"], "(hidden)");
    assert_eq!(entry.headers["x-cm-access-key"], CLOUDMSG_DEFAULT.access_key);
}

#[tokio::test]
async fn the_check_shows_senders_channels_and_a_suspension() {
    let vendors = Vendors::start().await;
    let check = || async {
        let (status, body) = vendors.cloudmsg_get("").await;
        assert_eq!(status, StatusCode::OK);
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let expected = json!({
        "serviceId": "svc-default", "status": "ACTIVE",
        "senderNumbers": ["15881234", "0215881234"], "channels": ["@switchboard"],
    });
    assert_eq!(check().await, expected);
    vendors.sim.cloudmsg().change_account("svc-default", |account| account.status = AccountStatus::Suspended);
    assert_eq!(check().await["status"], "SUSPENDED");
    let (status, body) = vendors.cloudmsg_send(&sms("01012345678", "r")).await;
    assert_eq!((status, &body["error"]["errorCode"]), (StatusCode::UNAUTHORIZED, &json!("210")));
}
