use std::error::Error;
use std::time::Duration;

use http::{StatusCode, header};
use serde_json::{Value, json};
use switchboard_vendor_sim::demo::{CLOUDMSG_DEFAULT, SENDTALK_NARAE};
use switchboard_vendor_sim::{Callbacks, Fault, FaultMatch, FaultRule, Operation, Outcome, RetryAfterForm, Verdict};

use crate::support::{Sink, Vendors, eventually, sms, st_sms};

const MESSAGES: &str = "/v2/services/svc-default/messages";

async fn send(vendors: &Vendors, reference: &str) -> reqwest::Result<reqwest::Response> {
    let body = sms("01012345678", reference);
    vendors.cloudmsg_as(&CLOUDMSG_DEFAULT, http::Method::POST, MESSAGES, Some(&body)).await
}

#[tokio::test]
async fn each_ambiguous_fault_leaves_a_message_or_none_as_scripted() {
    let vendors = Vendors::start().await;
    let cloudmsg = vendors.sim.cloudmsg();
    let faults: [fn(bool) -> Fault; 4] = [
        |accept| Fault::Reset { accept },
        |accept| Fault::ServerError { accept, status: 500, retry_after_s: None },
        |accept| Fault::Html { accept, status: 502 },
        |accept| Fault::Respond { accept, status: 200, content_type: "text/plain".to_owned(), body: "?".to_owned() },
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        for accept in [true, false] {
            let reference = format!("ref-{index}-{accept}");
            cloudmsg.add_fault(FaultRule::next_send(fault(accept)));
            let answer = send(&vendors, &reference).await;
            assert_ne!(answer.ok().map(|answer| answer.status()), Some(StatusCode::ACCEPTED));
            let found = cloudmsg.messages_by_reference("svc-default", &reference).len();
            assert_eq!(found, usize::from(accept), "{reference}");
        }
    }
    assert!(cloudmsg.faults().is_empty());
}

#[tokio::test]
async fn a_reset_is_a_reset_and_not_an_answer() {
    let vendors = Vendors::start().await;
    vendors.sim.cloudmsg().add_fault(FaultRule::next_send(Fault::Reset { accept: true }));
    let error = send(&vendors, "r").await.unwrap_err();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    let mut reset = false;
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        reset |= io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionReset);
        cause = error.source();
    }
    assert!(reset, "{error:?}");
    let journal = vendors.sim.cloudmsg().journal();
    assert_eq!((journal.requests[0].status, journal.requests[0].accepted.len()), (None, 1));
    assert_eq!(journal.requests[0].fault.as_deref(), Some("reset after accepting"));
    assert_eq!(send(&vendors, "again").await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_hang_never_answers_and_stopping_ends_it() {
    let vendors = Vendors::start().await;
    let cloudmsg = vendors.sim.cloudmsg();
    cloudmsg.add_fault(FaultRule::next_send(Fault::Hang { accept: true }));
    let hanging = send(&vendors, "r");
    let accepted = eventually("the message of the hanging send", || async {
        (cloudmsg.messages_by_reference("svc-default", "r").len() == 1).then_some(())
    });
    tokio::select! {
        answer = hanging => panic!("a hanging send was answered: {answer:?}"),
        () = accepted => {}
    }
    tokio::time::timeout(Duration::from_secs(5), vendors.sim.shutdown()).await.unwrap();
}

#[tokio::test]
async fn the_json_of_a_truncated_answer_does_not_parse_but_the_message_exists() {
    let vendors = Vendors::start().await;
    vendors.sim.cloudmsg().add_fault(FaultRule::next_send(Fault::TruncatedJson));
    let answer = send(&vendors, "r").await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert!(serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).is_err());
    assert_eq!(vendors.sim.cloudmsg().messages().len(), 1);
}

#[tokio::test]
async fn each_vendor_says_when_to_come_back_in_its_own_way() {
    let vendors = Vendors::start().await;
    let throttle = |form| FaultRule::next_send(Fault::Throttle { after_s: 7, form });
    vendors.sim.cloudmsg().add_fault(throttle(RetryAfterForm::Native));
    let answer = send(&vendors, "r").await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "7");
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["errorCode"], "410");

    let send = || vendors.sendtalk_try("/v1/sms", None, &Value::Null);
    vendors.sim.sendtalk().add_fault(throttle(RetryAfterForm::Native));
    let answer = send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    httpdate::parse_http_date(answer.headers()[header::RETRY_AFTER].to_str().unwrap()).unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["result"]["code"], -1429);
    vendors.sim.sendtalk().add_fault(throttle(RetryAfterForm::Absent));
    assert!(!send().await.unwrap().headers().contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn what_is_plainly_not_accepted_says_so() {
    let vendors = Vendors::start().await;
    let cases = [
        (Fault::NotAccepted, StatusCode::SERVICE_UNAVAILABLE, "500"),
        (Fault::Unauthorized, StatusCode::UNAUTHORIZED, "200"),
        (Fault::Refuse { code: "230".to_owned() }, StatusCode::FORBIDDEN, "230"),
        (Fault::Refuse { code: "7777".to_owned() }, StatusCode::BAD_REQUEST, "7777"),
    ];
    for (fault, status, code) in cases {
        vendors.sim.cloudmsg().add_fault(FaultRule::next_send(fault));
        let answer = send(&vendors, "r").await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["errorCode"], code);
    }
    vendors.sim.sendtalk().add_fault(FaultRule::next_send(Fault::NotAccepted));
    let answer = vendors.sendtalk_send("/v1/sms", Some("k"), &st_sms("+821012345678", "r")).await;
    assert_eq!(answer["result"]["code"], -2021);
    let journal = vendors.sim.cloudmsg().journal();
    assert!(journal.sends().all(|entry| entry.verdict == Verdict::NotChecked && entry.accepted.is_empty()));
}

#[tokio::test]
async fn recipients_are_refused_one_by_one_on_request() {
    let vendors = Vendors::start().await;
    let refuse = Fault::RefuseRecipients { to: vec!["010-2222-3333".to_owned()], code: "1001".to_owned() };
    vendors.sim.cloudmsg().add_fault(FaultRule::next_send(refuse));
    let mut body = sms("01012345678", "a");
    body["messages"] = json!([{ "to": "01022223333" }, { "to": "01012345678" }]);
    let (status, answer) = vendors.cloudmsg_send(&body).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let names: Vec<&Value> =
        answer["messages"].as_array().unwrap().iter().map(|one| &one["requestStatusName"]).collect();
    assert_eq!(names, ["fail", "success"]);
}

#[tokio::test]
async fn a_rule_hits_only_what_it_names() {
    let vendors = Vendors::start().await;
    let on =
        FaultMatch { operation: Some(Operation::LookUp), reference: Some("ord-2".to_owned()), ..FaultMatch::default() };
    vendors.sim.cloudmsg().add_fault(FaultRule::once(Fault::Html { accept: false, status: 504 }, on));
    for reference in ["ord-1", "ord-2"] {
        assert_eq!(send(&vendors, reference).await.unwrap().status(), StatusCode::ACCEPTED);
    }
    assert_eq!(vendors.cloudmsg_get("/messages?clientRef=ord-1").await.0, StatusCode::OK);
    assert_eq!(vendors.cloudmsg_get("/messages?clientRef=ord-2").await.0, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(vendors.cloudmsg_get("/messages?clientRef=ord-2").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_slow_vendor_accepts_after_its_client_has_hung_up() {
    let vendors = Vendors::start().await;
    let cloudmsg = vendors.sim.cloudmsg();
    cloudmsg.add_fault(FaultRule::next_send(Fault::Delay { ms: 100, accept_first: false }));
    let hung_up = tokio::time::timeout(Duration::from_millis(30), send(&vendors, "late")).await;
    assert!(hung_up.is_err());
    assert!(cloudmsg.messages_by_reference("svc-default", "late").is_empty());
    eventually("the late message", || async {
        (!cloudmsg.messages_by_reference("svc-default", "late").is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_in_progress_is_1011_and_replays_afterwards() {
    let vendors = Vendors::start().await;
    vendors.sim.sendtalk().add_fault(FaultRule::next_send(Fault::Delay { ms: 300, accept_first: false }));
    vendors.sim.sendtalk().change_account(SENDTALK_NARAE.account_id, |account| account.balance = Some(5));
    let body = st_sms("+821012345678", "r");
    let first = async { vendors.sendtalk_send("/v1/sms", Some("k"), &body).await };
    let repeats = async {
        // The message is paid for once the key is known.
        eventually("in progress", || async {
            let account = vendors.sim.sendtalk().accounts().into_iter().find(|account| account["balance"] == 4);
            account.map(|_| ())
        })
        .await;
        let progress = vendors.sendtalk_send("/v1/sms", Some("k"), &body).await;
        assert_eq!(progress["result"]["code"], -1011);
    };
    let (first, ()) = tokio::join!(first, repeats);
    let again = vendors.sendtalk_send("/v1/sms", Some("k"), &body).await;
    assert_eq!(again["data"]["message_id"], first["data"]["message_id"]);
    assert_eq!(again["data"]["replayed"], true);
}

#[tokio::test]
async fn after_a_lost_answer_the_same_key_replays() {
    let vendors = Vendors::start().await;
    vendors.sim.sendtalk().add_fault(FaultRule::next_send(Fault::Reset { accept: true }));
    let body = st_sms("+821012345678", "r");
    assert!(vendors.sendtalk_try("/v1/sms", Some("k"), &body).await.is_err());
    let again = vendors.sendtalk_send("/v1/sms", Some("k"), &body).await;
    assert_eq!(again["data"]["replayed"], true);
    assert_eq!(vendors.sim.sendtalk().messages().len(), 1);
}

#[tokio::test]
async fn a_503_may_say_when_to_come_back() {
    let vendors = Vendors::start().await;
    let fault = Fault::ServerError { accept: false, status: 503, retry_after_s: Some(3) };
    vendors.sim.sendtalk().add_fault(FaultRule::next_send(fault));
    let answer = vendors.sendtalk_try("/v1/sms", Some("k"), &st_sms("+821012345678", "r")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "3");
}

#[tokio::test]
async fn gateways_in_front_of_sendtalk_speak_html() {
    let vendors = Vendors::start().await;
    vendors.sim.sendtalk().add_fault(FaultRule::next_send(Fault::ServerError {
        accept: true,
        status: 502,
        retry_after_s: None,
    }));
    let answer = vendors.sendtalk_try("/v1/sms", Some("k"), &st_sms("+821012345678", "r")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html");
    assert!(answer.text().await.unwrap().starts_with("<html>"));
}

#[tokio::test]
async fn a_callback_can_come_before_the_answer() {
    let vendors = Vendors::start().await;
    let sink = Sink::start().await;
    let cloudmsg = vendors.sim.cloudmsg();
    cloudmsg.set_callback_url("svc-default", Some(&sink.url)).unwrap();
    let early = Outcome::with_callbacks(Callbacks::BeforeAnswer);
    cloudmsg.add_fault(FaultRule::next_send(Fault::Outcome { outcome: early }));
    assert_eq!(send(&vendors, "r").await.unwrap().status(), StatusCode::ACCEPTED);
    // No waiting: all of it arrived before the answer did.
    let statuses: Vec<Value> = sink.arrived().iter().map(|callback| callback.json()[0]["status"].clone()).collect();
    assert_eq!(statuses, ["PROCESSING", "COMPLETED"]);
}
