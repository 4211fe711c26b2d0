use serde_json::{Value, json};
use switchboard_vendor_sim::demo::{LOGIN_CODE, SENDTALK_NARAE};
use switchboard_vendor_sim::{Callbacks, End, Outcome, OutcomeRule, State};

use crate::support::{Sink, Vendors, eventually, sms};

fn alimtalk(to: &str) -> Value {
    json!({
        "type": "ALIMTALK", "channelId": "@switchboard", "templateCode": LOGIN_CODE,
        "content": "[인증번호] 1234 를 입력해 주세요.", "useSmsFailover": true,
        "messages": [{ "to": to, "clientRef": "talk" }],
    })
}

async fn start() -> (Vendors, Sink) {
    let (vendors, sink) = (Vendors::start().await, Sink::start().await);
    vendors.sim.cloudmsg().set_callback_url("svc-default", Some(&sink.url)).unwrap();
    (vendors, sink)
}

fn events(sink: &Sink) -> Vec<Value> {
    let bodies = sink.arrived().into_iter().map(|callback| callback.json());
    bodies.flat_map(|body| body.as_array().unwrap().clone()).collect()
}

#[tokio::test]
async fn messages_that_stay_do_not_move_while_others_pass() {
    let (vendors, sink) = start().await;
    for (to, reference) in [("01000009001", "stays"), ("01000009002", "carried"), ("01012345678", "passes")] {
        vendors.cloudmsg_send(&sms(to, reference)).await;
    }
    sink.wait_for_event("the third is delivered", |event| event["status"] == "COMPLETED").await;
    let states: Vec<State> = vendors.sim.cloudmsg().messages().into_iter().map(|message| message.state).collect();
    assert_eq!(states, [State::Accepted, State::WithCarrier, State::Delivered]);
    assert!(events(&sink).iter().all(|event| event["clientRef"] != "stays"));
}

#[tokio::test]
async fn an_unconfirmed_alimtalk_gets_no_fallback_and_may_still_arrive() {
    let (vendors, sink) = start().await;
    let late = Outcome::of(End::Unconfirmed { delivered_after_ms: Some(10) });
    vendors.sim.cloudmsg().add_outcome(OutcomeRule { outcome: late, ..OutcomeRule::default() });
    vendors.cloudmsg_send(&alimtalk("01012345678")).await;
    sink.wait_for_event("delivery after all", |event| event["statusCode"] == "0000").await;
    sink.wait_for_event("unconfirmed", |event| event["statusCode"] == "3005").await;
    assert_eq!(vendors.sim.cloudmsg().messages().len(), 1);
}

#[tokio::test]
async fn the_vendors_own_fallback_reports_through_the_alimtalk() {
    let (vendors, sink) = start().await;
    vendors.cloudmsg_send(&alimtalk("01000003020")).await;
    let done = sink.wait_for_event("the fallback", |event| event["failover"]["statusName"] == "success").await;
    assert_eq!((&done["statusCode"], &done["clientRef"]), (&json!("3020"), &json!("talk")));
    let messages = vendors.sim.cloudmsg().messages();
    assert_eq!(done["failover"]["messageId"], messages[1].message_id);
    assert_eq!(messages[1].text, messages[0].text);
    assert!(events(&sink).iter().all(|event| event["messageId"] == messages[0].message_id));
}

#[tokio::test]
async fn doubled_callbacks_carry_the_same_event_id() {
    let (vendors, sink) = start().await;
    vendors.cloudmsg_send(&sms("01000009004", "twice")).await;
    let ids = eventually("four events", || async {
        let ids: Vec<String> = events(&sink).iter().map(|event| event["eventId"].to_string()).collect();
        (ids.len() == 4).then_some(ids)
    })
    .await;
    let count = |id: &String| ids.iter().filter(|other| *other == id).count();
    assert!(ids.iter().all(|id| count(id) == 2), "{ids:?}");
}

#[tokio::test]
async fn a_rule_for_one_account_leaves_the_others_alone() {
    let (vendors, sink) = start().await;
    let rule = |account: &str| OutcomeRule {
        account: Some(account.to_owned()),
        outcome: Outcome { callbacks: Callbacks::Lost, ..Outcome::failed("3006") },
        ..OutcomeRule::default()
    };
    vendors.sim.cloudmsg().add_outcome(rule(SENDTALK_NARAE.account_id));
    vendors.cloudmsg_send(&sms("01012345678", "a")).await;
    let event = sink.wait_for_event("the result", |event| event["status"] == "COMPLETED").await;
    assert_eq!(event["statusName"], "success");
}
