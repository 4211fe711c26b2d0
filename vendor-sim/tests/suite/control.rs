use http::{Method, StatusCode};
use serde_json::{Value, json};
use switchboard_vendor_sim::demo::{CLOUDMSG_DEFAULT, SENDTALK_NARAE};

use crate::support::{Sink, Vendors, eventually, sms, st_sms};

async fn control(
    vendors: &Vendors,
    base: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let mut request = vendors.http.request(method, format!("{base}/_control{path}"));
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

#[tokio::test]
async fn everything_can_be_scripted_over_http() {
    let vendors = Vendors::start().await;
    let sink = Sink::start().await;
    let base = vendors.sim.cloudmsg_url();
    let call = |method, path, body| control(&vendors, &base, method, path, body);

    let (status, _) = call(Method::PATCH, "/accounts/svc-default", Some(json!({ "callback_url": sink.url }))).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, settings) = call(Method::POST, "/settings", Some(json!({ "progress_callbacks": false }))).await;
    assert_eq!((status, &settings["progress_callbacks"]), (StatusCode::OK, &json!(false)));
    assert_eq!(settings["with_carrier_for_ms"], 40);
    let fault = json!({ "fault": { "kind": "server_error", "accept": false, "status": 500 } });
    let (status, _) = call(Method::POST, "/faults", Some(json!([fault]))).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(call(Method::GET, "/faults", None).await.1["faults"][0]["times"], 1);
    let outcome = json!({ "to": "*5678", "outcome": { "end": "failed", "code": "2005" } });
    assert_eq!(call(Method::POST, "/outcome", Some(outcome)).await.0, StatusCode::NO_CONTENT);

    assert_eq!(vendors.cloudmsg_send(&sms("01012345678", "r")).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(vendors.cloudmsg_send(&sms("01012345678", "r")).await.0, StatusCode::ACCEPTED);
    assert_eq!(sink.wait_for(1).await[0].json()[0]["statusCode"], "2005");

    let journal = eventually("the callback in the journal", || async {
        let journal = call(Method::GET, "/journal", None).await.1;
        (journal["callbacks"].as_array().unwrap().len() == 1).then_some(journal)
    })
    .await;
    let requests = journal["requests"].as_array().unwrap();
    assert_eq!((&requests[0]["verdict"], &requests[0]["status"]), (&json!("not_checked"), &json!(500)));
    assert_eq!((&requests[1]["verdict"], &requests[1]["references"]), (&json!("valid"), &json!(["r"])));
    assert_eq!(requests[1]["accepted"][0], journal["messages"][0]["message_id"]);
    assert_eq!(journal["messages"][0]["state"], "failed");
    assert_eq!(journal["callbacks"][0]["status"], 200);

    assert_eq!(call(Method::DELETE, "/journal", None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(call(Method::GET, "/journal", None).await.1["requests"], json!([]));
    assert_eq!(call(Method::DELETE, "/messages", None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(call(Method::GET, "/messages", None).await.1["messages"], json!([]));
}

#[tokio::test]
async fn callbacks_are_held_reordered_and_repeated_over_http() {
    let vendors = Vendors::start().await;
    let sink = Sink::start().await;
    let base = vendors.sim.sendtalk_url();
    let call = |path, body| control(&vendors, &base, Method::POST, path, body);
    vendors.sim.sendtalk().set_callback_url(SENDTALK_NARAE.account_id, Some(&sink.url)).unwrap();

    assert_eq!(call("/callbacks/hold", None).await.0, StatusCode::NO_CONTENT);
    vendors.sendtalk_send("/v1/sms", Some("k"), &st_sms("+821012345678", "r")).await;
    let sendtalk = vendors.sim.sendtalk();
    eventually("two events held", || async { (sendtalk.waiting_callbacks() == 2).then_some(()) }).await;
    let (_, reordered) = call("/callbacks/reorder", None).await;
    assert_eq!(reordered["attempts"].as_array().unwrap().len(), 2);
    let statuses: Vec<Value> =
        sink.arrived().iter().map(|callback| callback.json()["data"]["status"].clone()).collect();
    assert_eq!(statuses, ["delivered", "sent"]);
    let (_, repeated) = call("/callbacks/duplicate", Some(json!({}))).await;
    assert_eq!(repeated["attempts"].as_array().unwrap().len(), 2);
    let event = json!({ "account": SENDTALK_NARAE.account_id, "body": { "type": "account.low_balance" } });
    let (_, sent) = call("/callbacks/send", Some(event)).await;
    assert_eq!(sent["attempts"][0]["status"], 200);
    assert_eq!(call("/callbacks/release", None).await.0, StatusCode::OK);
}

#[tokio::test]
async fn accounts_are_made_over_http_and_shown_without_secrets() {
    let vendors = Vendors::start().await;
    let account = json!({
        "service_id": "svc-made", "access_key": "AK-made-00001", "secret_key": "SK-made", "callback_secret": "CB-made",
        "sender_numbers": ["15990000"],
        "channels": [{ "channel_id": "@made", "templates": [{ "code": "T", "text": "안내" }] }],
    });
    let base = vendors.sim.cloudmsg_url();
    assert_eq!(control(&vendors, &base, Method::POST, "/accounts", Some(account)).await.0, StatusCode::NO_CONTENT);
    let (_, shown) = control(&vendors, &base, Method::GET, "/accounts", None).await;
    let text = shown.to_string();
    assert!(text.contains("svc-made") && text.contains("@made"), "{text}");
    for secret in ["SK-made", "CB-made", CLOUDMSG_DEFAULT.secret_key, CLOUDMSG_DEFAULT.callback_secret] {
        assert!(!text.contains(secret), "{secret}");
    }
    let base = vendors.sim.sendtalk_url();
    let text = control(&vendors, &base, Method::GET, "/accounts", None).await.1.to_string();
    let secrets = [SENDTALK_NARAE.api_key, SENDTALK_NARAE.webhook_secret, SENDTALK_NARAE.sender_profile_key];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_mistake_is_answered_with_a_sentence() {
    let vendors = Vendors::start().await;
    let base = vendors.sim.cloudmsg_url();
    let cases = [
        (Method::POST, "/faults", json!({ "fault": { "kind": "explode" } }), "explode"),
        (Method::POST, "/settings", json!({ "callback_batch": 101 }), "callback_batch"),
        (Method::POST, "/settings", json!({ "retries": 1 }), "retries"),
        (Method::POST, "/accounts", json!({ "service_id": "made" }), "access_key"),
        (Method::PATCH, "/accounts/svc-nobody", json!({}), "svc-nobody"),
    ];
    for (method, path, body, named) in cases {
        let (status, answer) = control(&vendors, &base, method, path, Some(body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        let sentence = answer["error"].as_str().unwrap();
        assert!(sentence.contains(named), "{sentence}");
    }
    let (status, _) = control(&vendors, &base, Method::GET, "/nothing", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_journal_hides_bearer_tokens() {
    let vendors = Vendors::start().await;
    vendors.sendtalk_send("/v1/sms", Some("key-1"), &st_sms("+821012345678", "r")).await;
    let journal = vendors.sim.sendtalk().journal();
    assert_eq!(journal.requests[0].headers["authorization"], "(hidden)");
    assert_eq!(journal.requests[0].headers["idempotency-key"], "key-1");
    assert_eq!(vendors.sim.sendtalk().messages()[0].idempotency_key.as_deref(), Some("key-1"));
}
