use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use switchboard_vendor_sim::demo::{CLOUDMSG_DEFAULT, SENDTALK_NARAE};
use switchboard_vendor_sim::{CallbackEntry, CustomCallback, Flush, Order, Settings};

use crate::support::{Arrived, Sink, Vendors, eventually, hmac_sha256, now_ms, sms, st_sms};

async fn start() -> (Vendors, Sink) {
    let (vendors, sink) = (Vendors::start().await, Sink::start().await);
    vendors.sim.cloudmsg().set_callback_url("svc-default", Some(&sink.url)).unwrap();
    vendors.sim.sendtalk().set_callback_url(SENDTALK_NARAE.account_id, Some(&sink.url)).unwrap();
    (vendors, sink)
}

fn cloudmsg_signatures(callback: &Arrived, secret: &str) -> (String, Vec<String>) {
    let header = callback.header("x-cm-callback-signature");
    let mut parts = header.split(',');
    let t = parts.next().unwrap().strip_prefix("t=").unwrap();
    let signed = [format!("{t}.").as_bytes(), &callback.body].concat();
    let given = parts.map(|part| part.strip_prefix("v1=").unwrap().to_owned()).collect();
    assert!((t.parse::<i64>().unwrap() - now_ms()).abs() < 60_000);
    (hex::encode(hmac_sha256(secret.as_bytes(), &signed)), given)
}

fn sendtalk_signature(callback: &Arrived, secret: &str) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let (id, timestamp) = (callback.header("webhook-id"), callback.header("webhook-timestamp"));
    let signed = [format!("{id}.{timestamp}.").as_bytes(), &callback.body].concat();
    format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)))
}

#[tokio::test]
async fn cloudmsg_signs_an_array_of_events() {
    let (vendors, sink) = start().await;
    let (_, sent) = vendors.cloudmsg_send(&sms("01012345678", "ord-1")).await;
    let event = sink.wait_for_event("the result", |event| event["status"] == "COMPLETED").await;
    for callback in &sink.arrived() {
        let (expected, given) = cloudmsg_signatures(callback, CLOUDMSG_DEFAULT.callback_secret);
        assert_eq!(given, [expected]);
        assert_eq!(callback.header("x-cm-service-id"), "svc-default");
    }
    assert_eq!(event["messageId"], sent["messages"][0]["messageId"]);
    assert_eq!(event["requestId"], sent["requestId"]);
    assert_eq!((&event["clientRef"], &event["type"]), (&json!("ord-1"), &json!("SMS")));
    assert_eq!((&event["status"], &event["statusName"]), (&json!("COMPLETED"), &json!("success")));
    assert_eq!((&event["statusCode"], &event["failover"]), (&json!("0"), &Value::Null));
}

#[tokio::test]
async fn sendtalk_signs_one_event_by_standard_webhooks() {
    let (vendors, sink) = start().await;
    vendors.sendtalk_send("/v1/sms", Some("k"), &st_sms("+821000002003", "ord-1")).await;
    let event = sink.wait_for_event("the result", |event| event["data"]["status"] == "failed").await;
    for callback in &sink.arrived() {
        let expected = sendtalk_signature(callback, SENDTALK_NARAE.webhook_secret);
        assert_eq!(callback.header("webhook-signature"), expected);
        assert_eq!(callback.header("x-st-account"), SENDTALK_NARAE.account_id);
    }
    assert_eq!((&event["type"], &event["data"]["reference"]), (&json!("message.status"), &json!("ord-1")));
    assert_eq!((&event["data"]["status"], &event["data"]["result_code"]), (&json!("failed"), &json!("2003")));
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_sign() {
    let (vendors, sink) = start().await;
    let old = CLOUDMSG_DEFAULT.callback_secret;
    vendors.sim.cloudmsg().change_account("svc-default", |account| {
        account.previous_callback_secret = Some(std::mem::replace(&mut account.callback_secret, "new".to_owned()));
    });
    vendors.cloudmsg_send(&sms("01012345678", "r")).await;
    let callback = &sink.wait_for(1).await[0];
    let (with_new, given) = cloudmsg_signatures(callback, "new");
    assert_eq!(given, [with_new, cloudmsg_signatures(callback, old).0]);
}

#[tokio::test]
async fn a_refused_callback_comes_again_with_the_same_event_id() {
    let (vendors, sink) = start().await;
    let settings = Settings { retry_scale: 0.000_1, progress_callbacks: false, ..Settings::default() };
    vendors.sim.cloudmsg().set_settings(settings.clone()).unwrap();
    vendors.sim.sendtalk().set_settings(settings).unwrap();
    sink.answer_with(503);
    vendors.cloudmsg_send(&sms("01012345678", "r")).await;
    sink.wait_for(2).await;
    sink.answer_with(200);
    let journal = eventually("a callback that was taken", || async {
        let journal = vendors.sim.cloudmsg().journal();
        journal.callbacks.iter().any(|entry| entry.status == Some(200)).then_some(journal)
    })
    .await;
    let ids: Vec<_> = journal.callbacks.iter().map(|entry| entry.event_ids.clone()).collect();
    assert!(ids.len() >= 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let attempts: Vec<_> = journal.callbacks.iter().map(|entry| entry.attempt).collect();
    assert_eq!(attempts, (1..=attempts.len()).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_last_attempt_is_the_last() {
    let (vendors, sink) = start().await;
    let settings = Settings { retry_scale: 0.0, progress_callbacks: false, ..Settings::default() };
    vendors.sim.cloudmsg().set_settings(settings).unwrap();
    sink.answer_with(500);
    vendors.cloudmsg_send(&sms("01012345678", "r")).await;
    sink.wait_for(6).await;
    // A callback of another message proves that time has passed without a seventh attempt of the first.
    sink.answer_with(200);
    vendors.cloudmsg_send(&sms("01012345678", "second")).await;
    let all = sink.wait_for(7).await;
    assert_eq!(all[6].json()[0]["clientRef"], "second");
}

#[tokio::test]
async fn after_410_sendtalk_calls_no_more_until_switched_on() {
    let (vendors, sink) = start().await;
    let sendtalk = vendors.sim.sendtalk();
    sendtalk.set_settings(Settings { progress_callbacks: false, ..Settings::default() }).unwrap();
    let noted = async |what: &str, wanted: fn(&CallbackEntry) -> bool| {
        eventually(what, || async { sendtalk.journal().callbacks.iter().any(wanted).then_some(()) }).await;
    };
    let send = async |reference: &str| {
        vendors.sendtalk_send("/v1/sms", Some(reference), &st_sms("+821012345678", reference)).await;
    };
    sink.answer_with(410);
    send("a").await;
    noted("410 in the journal", |entry| entry.status == Some(410)).await;
    send("b").await;
    noted("a result that is not sent", |entry| entry.error.as_deref().is_some_and(|why| why.contains("410"))).await;
    assert_eq!(sink.arrived().len(), 1);
    sink.answer_with(200);
    sendtalk.set_callback_url(SENDTALK_NARAE.account_id, Some(&sink.url)).unwrap();
    send("c").await;
    sink.wait_for_event("the result of c", |event| event["data"]["reference"] == "c").await;
}

#[tokio::test]
async fn held_callbacks_go_out_together_reversed_and_doubled() {
    let (vendors, sink) = start().await;
    let cloudmsg = vendors.sim.cloudmsg();
    cloudmsg.hold_callbacks();
    for index in 0..3 {
        vendors.cloudmsg_send(&sms("01012345678", &format!("r{index}"))).await;
    }
    eventually("six events held", || async { (cloudmsg.waiting_callbacks() == 6).then_some(()) }).await;
    assert!(sink.arrived().is_empty());
    let attempts = cloudmsg.flush_callbacks(Flush { order: Order::Reversed, copies: 2 }).await;
    assert_eq!(attempts.len(), 2);
    let bodies: Vec<Value> = sink.arrived().iter().map(Arrived::json).collect();
    assert_eq!(bodies[0], bodies[1]);
    let times: Vec<i64> =
        bodies[0].as_array().unwrap().iter().map(|event| event["eventTime"].as_i64().unwrap()).collect();
    assert_eq!(times.len(), 6);
    assert!(times.is_sorted_by(|earlier, later| earlier >= later), "{times:?}");
    cloudmsg.release_callbacks(Flush::default()).await;
    vendors.cloudmsg_send(&sms("01012345678", "after")).await;
    sink.wait_for_event("the event after", |event| event["clientRef"] == "after").await;
}

#[tokio::test]
async fn what_was_delivered_can_be_delivered_again() {
    let (vendors, sink) = start().await;
    vendors.sendtalk_send("/v1/sms", Some("k"), &st_sms("+821012345678", "r")).await;
    let sendtalk = vendors.sim.sendtalk();
    eventually("two callbacks taken", || async {
        (sendtalk.journal().callbacks.iter().filter(|entry| entry.status == Some(200)).count() == 2).then_some(())
    })
    .await;
    let id = sendtalk.messages()[0].message_id.clone();
    assert_eq!(sendtalk.repeat_callbacks(Some(&id)).await.len(), 2);
    let arrived = sink.arrived();
    let ids = |callbacks: &[Arrived]| -> BTreeSet<String> {
        callbacks.iter().map(|callback| callback.header("webhook-id").to_owned()).collect()
    };
    assert_eq!(arrived.len(), 4);
    assert_eq!(ids(&arrived[..2]), ids(&arrived[2..]));
}

#[tokio::test]
async fn magic_numbers_change_the_callbacks() {
    let (vendors, sink) = start().await;
    vendors.cloudmsg_send(&sms("01000009005", "reversed")).await;
    let reversed: Vec<Value> =
        sink.wait_for(2).await.iter().map(|callback| callback.json()[0]["status"].clone()).collect();
    assert_eq!(reversed, ["COMPLETED", "PROCESSING"]);
    vendors.cloudmsg_send(&sms("01000009003", "lost")).await;
    eventually("two events noted as lost", || async {
        let entries = vendors.sim.cloudmsg().journal().callbacks;
        (entries.iter().filter(|entry| entry.error.is_some()).count() == 2).then_some(())
    })
    .await;
    assert_eq!(sink.arrived().len(), 2);
    vendors.cloudmsg_send(&sms("01000009007", "unknown")).await;
    sink.wait_for_event("a word nobody knows", |event| event["status"] == "HANDED_OVER").await;
}

#[tokio::test]
async fn other_event_types_and_forgeries_are_sent_on_request() {
    let (vendors, sink) = start().await;
    let custom = |secret: Option<&str>, skew_ms| CustomCallback {
        account: SENDTALK_NARAE.account_id.to_owned(),
        body: json!({ "type": "template.approved", "data": {} }),
        event_id: Some("evt_9".to_owned()),
        secret: secret.map(str::to_owned),
        skew_ms,
    };
    let sendtalk = vendors.sim.sendtalk();
    let attempt = sendtalk.send_callback(custom(None, -600_000)).await;
    assert_eq!(attempt.status, Some(200));
    let callback = &sink.arrived()[0];
    assert_eq!(callback.header("webhook-signature"), sendtalk_signature(callback, SENDTALK_NARAE.webhook_secret));
    let timestamp: i64 = callback.header("webhook-timestamp").parse().unwrap();
    assert!(now_ms() / 1000 - timestamp >= 600);
    let other = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    sendtalk.send_callback(custom(Some(other), 0)).await;
    let forged = &sink.arrived()[1];
    assert_ne!(forged.header("webhook-signature"), sendtalk_signature(forged, SENDTALK_NARAE.webhook_secret));
}
