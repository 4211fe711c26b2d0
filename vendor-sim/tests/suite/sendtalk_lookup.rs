use serde_json::{Value, json};
use switchboard_vendor_sim::Settings;
use switchboard_vendor_sim::demo::SENDTALK_NARAE;

use crate::support::{Vendors, eventually, st_sms};

#[tokio::test]
async fn a_message_is_found_by_id_and_by_reference() {
    let vendors = Vendors::start().await;
    let sent = vendors.sendtalk_send("/v1/sms", Some("k"), &st_sms("+821000002003", "ord-1")).await;
    let id = sent["data"]["message_id"].as_str().unwrap();
    let item = eventually("failure", || async {
        let answer = vendors.sendtalk_get(&format!("/v1/messages/{id}")).await;
        (answer["data"]["status"] == "failed").then_some(answer["data"].clone())
    })
    .await;
    assert_eq!((&item["result_code"], &item["channel"]), (&json!("2003"), &json!("sms")));
    let listed = vendors.sendtalk_get("/v1/messages?reference=ord-1").await;
    assert_eq!(listed["data"]["items"], json!([item]));
    let settings = Settings { reference_look_up_as_item: true, ..Settings::default() };
    vendors.sim.sendtalk().set_settings(settings).unwrap();
    assert_eq!(vendors.sendtalk_get("/v1/messages?reference=ord-1").await["data"], item);
}

#[tokio::test]
async fn nothing_found_is_4104_also_just_after_a_send() {
    let vendors = Vendors::start().await;
    for target in ["/v1/messages/st_none", "/v1/messages?reference=none"] {
        let answer = vendors.sendtalk_get(target).await;
        assert_eq!((&answer["result"]["code"], &answer["data"]), (&json!(-4104), &Value::Null), "{target}");
    }
    let blind = Settings { look_up_blind_ms: 60_000, ..Settings::default() };
    vendors.sim.sendtalk().set_settings(blind).unwrap();
    vendors.sendtalk_send("/v1/sms", Some("k"), &st_sms("+821012345678", "ord-1")).await;
    assert_eq!(vendors.sendtalk_get("/v1/messages?reference=ord-1").await["result"]["code"], -4104);
}

#[tokio::test]
async fn the_results_feed_pages_through_a_window_and_runs_behind() {
    let vendors = Vendors::start().await;
    let sendtalk = vendors.sim.sendtalk();
    for index in 0..5 {
        let reference = format!("ord-{index}");
        vendors.sendtalk_send("/v1/sms", Some(&reference), &st_sms("+821012345678", &reference)).await;
    }
    eventually("five results", || async {
        sendtalk.messages().iter().all(|message| message.completed_at.is_some()).then_some(())
    })
    .await;
    let changed: Vec<i64> = sendtalk.messages().iter().map(|message| message.updated_at).collect();
    let window = |hours: i64| {
        let time = |at: i64| chrono::DateTime::from_timestamp_millis(at).unwrap().to_rfc3339().replace('+', "%2B");
        let from = changed.iter().min().unwrap() - 1_000;
        format!("/v1/results?updated_from={}&updated_to={}", time(from), time(from + hours * 3_600_000))
    };
    let behind = vendors.sendtalk_get(&window(1)).await;
    assert_eq!(behind["data"], json!({ "items": [], "next_cursor": null }));

    sendtalk.set_settings(Settings { results_lag_ms: 0, results_page: 2, ..Settings::default() }).unwrap();
    let mut found = Vec::new();
    let mut cursor = String::new();
    for size in [2, 2, 1] {
        let page = vendors.sendtalk_get(&format!("{}&cursor={cursor}", window(1))).await;
        let items = page["data"]["items"].as_array().unwrap();
        assert_eq!(items.len(), size);
        found.extend(items.iter().map(|item| item["message_id"].as_str().unwrap().to_owned()));
        cursor = page["data"]["next_cursor"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!(cursor, "");
    found.sort();
    let mut sent: Vec<String> = sendtalk.messages().into_iter().map(|message| message.message_id).collect();
    sent.sort();
    assert_eq!(found, sent);
    assert_eq!(vendors.sendtalk_get(&window(25)).await["result"]["code"], -2018);
}

#[tokio::test]
async fn the_check_shows_senders_and_the_end_of_profile_keys() {
    let vendors = Vendors::start().await;
    let answer = vendors.sendtalk_get("/v1/account").await;
    let data = &answer["data"];
    assert_eq!((&data["account_id"], &data["status"]), (&json!(SENDTALK_NARAE.account_id), &json!("active")));
    assert_eq!(data["sender_numbers"], json!(["+8216001234", "+82216001234"]));
    let last4 = &SENDTALK_NARAE.sender_profile_key[36..];
    assert_eq!(data["sender_profiles"], json!([{ "key_last4": last4, "status": "active" }]));
}
