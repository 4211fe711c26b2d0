use http::StatusCode;
use serde_json::{Value, json};
use switchboard_vendor_sim::Settings;

use crate::support::{Vendors, eventually, sms};

#[tokio::test]
async fn a_message_is_found_by_id_by_request_and_by_reference() {
    let vendors = Vendors::start().await;
    let (_, sent) = vendors.cloudmsg_send(&sms("01012345678", "ord-1")).await;
    let id = sent["messages"][0]["messageId"].as_str().unwrap();
    let item = eventually("delivery", || async {
        let (status, body) = vendors.cloudmsg_get(&format!("/messages/{id}")).await;
        assert_eq!(status, StatusCode::OK);
        let item: Value = serde_json::from_slice(&body).unwrap();
        (item["status"] == "COMPLETED").then_some(item)
    })
    .await;
    assert_eq!((&item["statusName"], &item["statusCode"]), (&json!("success"), &json!("0")));
    assert_eq!((&item["clientRef"], &item["failover"]), (&json!("ord-1"), &Value::Null));
    assert!(item["completeTime"].as_i64() >= item["requestTime"].as_i64());
    let request_id = sent["requestId"].as_str().unwrap();
    for query in ["clientRef=ord-1".to_owned(), format!("requestId={request_id}")] {
        let (_, body) = vendors.cloudmsg_get(&format!("/messages?{query}")).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["messages"][0]["messageId"], id, "{query}");
    }
}

#[tokio::test]
async fn nothing_found_is_404_with_an_empty_body() {
    let vendors = Vendors::start().await;
    for rest in ["/messages/m-none", "/messages?clientRef=none", "/messages?requestId=none"] {
        let (status, body) = vendors.cloudmsg_get(rest).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_FOUND, 0), "{rest}");
    }
}

#[tokio::test]
async fn a_message_just_accepted_is_invisible_for_as_long_as_is_set() {
    let vendors = Vendors::start().await;
    let cloudmsg = vendors.sim.cloudmsg();
    cloudmsg.set_settings(Settings { look_up_blind_ms: 60_000, ..Settings::default() }).unwrap();
    vendors.cloudmsg_send(&sms("01012345678", "ord-1")).await;
    assert_eq!(vendors.cloudmsg_get("/messages?clientRef=ord-1").await.0, StatusCode::NOT_FOUND);
    let later = Settings { look_up_blind_ms: 60_000, clock_offset_ms: 61_000, ..Settings::default() };
    cloudmsg.set_settings(later).unwrap();
    assert_eq!(vendors.cloudmsg_get("/messages?clientRef=ord-1").await.0, StatusCode::OK);
}
