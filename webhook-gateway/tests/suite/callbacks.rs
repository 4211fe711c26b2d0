//! What is taken, what is refused, and what the dispatcher hears of it.

use chrono::TimeDelta;
use reqwest::StatusCode;
use switchboard_proto::dispatch::v1::MessageStatus;

use crate::{
    vendors::{cloudmsg, delivered, sendtalk},
    world::{SENDTALK_SECRET, World, end_of_overlap, entry, noon, until},
};

#[tokio::test]
async fn a_verified_callback_is_answered_when_the_dispatcher_has_committed_it() {
    let world = World::start().await;
    let body = format!("[{},{}]", delivered("m-1", "ref-1"), delivered("m-2", "ref-2"));
    assert_eq!(world.status(&cloudmsg("svc-1", "secret-of-a", noon(), &body)).await, StatusCode::OK);
    let committed = world.dispatcher.committed();
    assert_eq!(committed.len(), 2);
    let first = &committed[0];
    assert_eq!((first.provider.as_str(), first.provider_account.as_str()), ("cloudmsg", "svc-1"));
    assert_eq!((first.provider_message_id.as_str(), first.client_reference.as_str()), ("m-1", "ref-1"));
    assert_eq!(first.status(), MessageStatus::Delivered);
    assert_eq!(first.organization_ids, ["a"], "the secret of a speaks for a alone");
    assert!(!first.event_key.is_empty() && first.event_key != committed[1].event_key);
}

#[tokio::test]
async fn a_callback_that_many_organisations_share_is_taken_whole_though_it_goes_in_several_calls() {
    let world = World::start().await;
    let organization = |number: u8| format!("{number:02}{}", "o".repeat(998));
    let all: Vec<_> = (0..50).map(organization).collect();
    for (name, revision) in all.iter().zip(2..) {
        world.config.change(revision, entry(name, &[("cloudmsg", "svc-many", &[("shared", false)])]));
    }
    world.config.change(52, entry("last", &[("cloudmsg", "svc-last", &[("last", false)])]));
    until("all of them are known", async || {
        world.status(&cloudmsg("svc-last", "last", noon(), "[]")).await == StatusCode::OK
    })
    .await;
    // Over 4 MiB in all.
    let events: Vec<_> = (0..100).map(|number| delivered(&format!("m-{number}"), "")).collect();
    let callback = cloudmsg("svc-many", "shared", noon(), &format!("[{}]", events.join(",")));
    assert_eq!(world.status(&callback).await, StatusCode::OK);
    let committed = world.dispatcher.committed();
    assert_eq!(committed.len(), 100);
    assert!(committed.iter().all(|update| update.organization_ids == all));
}

#[tokio::test]
async fn the_other_vendors_callback_is_taken_as_well() {
    let world = World::start().await;
    let body = r#"{"type":"message.status","timestamp":"2023-11-14T22:13:20Z","data":{"message_id":"st_1",
        "reference":"ref-1","channel":"sms","status":"failed","result_code":"3001","carrier":null,
        "occurred_at":"2023-11-14T22:13:19Z","fallback":null}}"#;
    assert_eq!(world.status(&sendtalk("acct_1", SENDTALK_SECRET, noon(), body)).await, StatusCode::OK);
    let committed = world.dispatcher.committed();
    assert_eq!(committed[0].status(), MessageStatus::Failed);
    assert_eq!(committed[0].failure.as_ref().unwrap().code, "INVALID_RECIPIENT");
}

#[tokio::test]
async fn a_signature_that_does_not_fit_is_refused_before_anything_is_read() {
    let world = World::start().await;
    let body = format!("[{}]", delivered("m-1", "ref-1"));
    let late = noon() - TimeDelta::minutes(5) - TimeDelta::seconds(1);
    let mut changed = cloudmsg("svc-1", "secret-of-a", noon(), &body);
    changed.body = changed.body.replace("m-1", "m-2");
    let mut unsigned = cloudmsg("svc-1", "secret-of-a", noon(), &body);
    unsigned.headers.retain(|(name, _)| *name != "x-cm-callback-signature");
    for (what, callback) in [
        ("a wrong secret", cloudmsg("svc-1", "wrong", noon(), &body)),
        ("an unknown account", cloudmsg("svc-9", "secret-of-a", noon(), &body)),
        ("an old timestamp", cloudmsg("svc-1", "secret-of-a", late, &body)),
        ("a changed body", changed),
        ("no signature", unsigned),
        ("a body that is not even JSON", cloudmsg("svc-1", "wrong", noon(), "{")),
    ] {
        assert_eq!(world.status(&callback).await, StatusCode::UNAUTHORIZED, "{what}");
    }
    assert!(world.dispatcher.committed().is_empty());
}

#[tokio::test]
async fn nobody_is_believed_for_knowing_the_secret_without_signing_the_body() {
    let world = World::start().await;
    let body = format!("[{}]", delivered("m-1", "ref-1"));
    let time = noon().timestamp_millis();
    for static_words in [
        "secret-of-a".to_owned(),
        "v1=secret-of-a".to_owned(),
        format!("t={time},v1=secret-of-a"),
        format!("t={time},v1={}", hex::encode("secret-of-a")),
        // Signed, but not over this body.
        cloudmsg("svc-1", "secret-of-a", noon(), "").headers.remove(1).1,
    ] {
        let mut callback = cloudmsg("svc-1", "secret-of-a", noon(), &body);
        callback.headers[1].1 = static_words;
        assert_eq!(world.status(&callback).await, StatusCode::UNAUTHORIZED, "{}", callback.headers[1].1);
    }
    assert!(world.dispatcher.committed().is_empty());
}

#[tokio::test]
async fn an_account_without_a_secret_is_spoken_for_by_nobody() {
    let world = World::start().await;
    let bare = [("cloudmsg", "svc-bare", &[][..]), ("cloudmsg", "svc-empty", &[("", false)][..])];
    world.config.change(2, entry("d", &bare));
    world.config.change(3, entry("e", &[("cloudmsg", "svc-e", &[("secret-of-e", false)])]));
    let body = format!("[{}]", delivered("m-1", "ref-1"));
    until("the new organisations are known", async || {
        world.status(&cloudmsg("svc-e", "secret-of-e", noon(), &body)).await == StatusCode::OK
    })
    .await;
    for account in ["svc-bare", "svc-empty"] {
        assert_eq!(world.status(&cloudmsg(account, "", noon(), &body)).await, StatusCode::UNAUTHORIZED, "{account}");
    }
}

#[test]
fn there_is_no_setting_that_switches_verification_off() {
    for key in ["verify", "verify_signatures", "skip_verification", "insecure", "tolerance", "secret"] {
        let section = format!(r#"{{"{key}": false}}"#);
        let refused = serde_json::from_str::<switchboard_webhook_gateway::Config>(&section).unwrap_err();
        assert!(refused.to_string().contains("unknown field"), "{key}: {refused}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_400_what_is_too_large_413_and_who_is_unknown_404() {
    let world = World::start().await;
    let many = format!("[{}]", vec![delivered("m-1", "r"); 101].join(","));
    for body in [r#"{"not":"an array"}"#, "not JSON", "", &many] {
        let unreadable = cloudmsg("svc-1", "secret-of-a", noon(), body);
        assert_eq!(world.status(&unreadable).await, StatusCode::BAD_REQUEST, "{}", body.len());
    }
    let unreadable = sendtalk("acct_1", SENDTALK_SECRET, noon(), "not JSON");
    assert_eq!(world.status(&unreadable).await, StatusCode::BAD_REQUEST);
    assert!(world.dispatcher.committed().is_empty() && world.dispatcher.quarantined.lock().unwrap().is_empty());
    let large = cloudmsg("svc-1", "secret-of-a", noon(), &" ".repeat((1 << 20) + 1));
    assert_eq!(world.status(&large).await, StatusCode::PAYLOAD_TOO_LARGE);
    let mut unknown = cloudmsg("svc-1", "secret-of-a", noon(), "[]");
    unknown.vendor = "nobody";
    assert_eq!(world.status(&unknown).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_body_of_exactly_one_mebibyte_is_taken() {
    let world = World::start().await;
    let event = delivered("m-1", "ref-1");
    let body = format!("[{event}{}]", " ".repeat((1 << 20) - event.len() - 2));
    assert_eq!(body.len(), 1 << 20);
    assert_eq!(world.status(&cloudmsg("svc-1", "secret-of-a", noon(), &body)).await, StatusCode::OK);
}

#[tokio::test]
async fn one_malformed_event_does_not_reject_the_others_and_is_quarantined_as_it_came() {
    let world = World::start().await;
    let body = format!(r#"[{},{{"messageId": 7}},{}]"#, delivered("m-1", "r"), delivered("m-3", "r"));
    assert_eq!(world.status(&cloudmsg("svc-1", "secret-of-a", noon(), &body)).await, StatusCode::OK);
    let committed: Vec<_> = world.dispatcher.committed().into_iter().map(|u| u.provider_message_id).collect();
    assert_eq!(committed, ["m-1", "m-3"]);
    let quarantined = world.dispatcher.quarantined.lock().unwrap().clone();
    assert_eq!(quarantined.len(), 1);
    let event = &quarantined[0];
    assert_eq!((event.provider.as_str(), event.provider_account.as_str()), ("cloudmsg", "svc-1"));
    assert_eq!(event.organization_ids, ["a"], "a replay speaks for whose secret signed it");
    assert_eq!(event.raw, br#"{"messageId": 7}"#);
    assert!(event.reason.contains("wrong type"), "{}", event.reason);
}

#[tokio::test]
async fn a_callback_in_which_nothing_can_be_read_is_answered_once_it_is_quarantined() {
    let world = World::start().await;
    let unreadable = r#"{"type":"message.status","timestamp":"2023-11-14T22:13:20Z","data":{"status":"sent"}}"#;
    for callback in [
        cloudmsg("svc-1", "secret-of-a", noon(), r#"[{"messageId":7}]"#),
        sendtalk("acct_1", SENDTALK_SECRET, noon(), unreadable),
    ] {
        assert_eq!(world.status(&callback).await, StatusCode::OK);
    }
    let raw: Vec<_> = world.dispatcher.quarantined.lock().unwrap().iter().map(|event| event.raw.clone()).collect();
    assert_eq!(raw, [br#"{"messageId":7}"#.to_vec(), unreadable.as_bytes().to_vec()]);
    assert!(world.dispatcher.committed().is_empty());
}

#[tokio::test]
async fn however_deep_an_event_is_nested_it_costs_nobody_a_stack() {
    let world = World::start().await;
    let depth = 500_000;
    let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let body = format!("[{deep},{}]", delivered("m-1", "r"));
    assert_eq!(world.status(&cloudmsg("svc-1", "secret-of-a", noon(), &body)).await, StatusCode::OK);
    assert_eq!((world.dispatcher.committed().len(), world.dispatcher.quarantined.lock().unwrap().len()), (1, 1));
    let data = format!(r#"{{"type":"message.status","data":{deep}}}"#);
    assert_eq!(world.status(&sendtalk("acct_1", SENDTALK_SECRET, noon(), &data)).await, StatusCode::OK);
}

#[tokio::test]
async fn what_cannot_be_quarantined_makes_the_vendor_come_again_and_does_not_hold_up_the_rest() {
    let world = World::start().await;
    *world.dispatcher.no_room.lock().unwrap() = Some(tonic::Status::resource_exhausted("there is no room"));
    let body = format!(r#"[{},{{"messageId":7}}]"#, delivered("m-1", "r"));
    let callback = cloudmsg("svc-1", "secret-of-a", noon(), &body);
    let response = world.post(&callback).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(reqwest::header::RETRY_AFTER));
    assert_eq!(world.dispatcher.committed().len(), 1);
    *world.dispatcher.no_room.lock().unwrap() = None;
    assert_eq!(world.status(&callback).await, StatusCode::OK);
    assert_eq!(world.dispatcher.quarantined.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn events_that_are_not_about_a_message_are_answered_and_ignored() {
    let world = World::start().await;
    let body = r#"{"type":"template.approved","timestamp":"2023-11-14T22:13:20Z","data":{"template_code":"T"}}"#;
    assert_eq!(world.status(&sendtalk("acct_1", SENDTALK_SECRET, noon(), body)).await, StatusCode::OK);
    assert!(world.dispatcher.committed().is_empty());
}

#[tokio::test]
async fn a_timestamp_is_believed_up_to_five_minutes_off_in_both_directions() {
    let world = World::start().await;
    let body = format!("[{}]", delivered("m-1", "r"));
    let other = r#"{"type":"template.approved","timestamp":"2023-11-14T22:13:20Z","data":null}"#;
    for direction in [-1, 1] {
        for (off, expected) in [(300, StatusCode::OK), (301, StatusCode::UNAUTHORIZED)] {
            let at = noon() + TimeDelta::seconds(direction * off);
            let callbacks =
                [cloudmsg("svc-1", "secret-of-a", at, &body), sendtalk("acct_1", SENDTALK_SECRET, at, other)];
            for callback in callbacks {
                assert_eq!(world.status(&callback).await, expected, "{} s, {}", direction * off, callback.vendor);
            }
        }
    }
}

#[tokio::test]
async fn during_the_overlap_a_callback_signed_with_both_secrets_or_either_is_taken() {
    let world = World::start().await;
    let body = format!("[{}]", delivered("m-1", "r"));
    let value = |callback: &crate::vendors::Callback| callback.headers[1].1.split_once(",v1=").unwrap().1.to_owned();
    let new = cloudmsg("svc-1", "secret-of-a", noon(), &body);
    let old = cloudmsg("svc-1", "old-secret-of-a", noon(), &body);
    let mut both = new.clone();
    both.headers[1].1 = format!("{},v1={}", new.headers[1].1, value(&old));
    let mut with_a_stranger = new.clone();
    let strangers = cloudmsg("svc-1", "wrong", noon(), &body);
    with_a_stranger.headers[1].1 = format!("{},v1={}", strangers.headers[1].1, value(&new));
    for callback in [new, old, both, with_a_stranger] {
        assert_eq!(world.status(&callback).await, StatusCode::OK);
    }
    assert!(world.dispatcher.committed().iter().all(|update| update.organization_ids == ["a"]));
}

#[tokio::test]
async fn a_replaced_secret_is_taken_until_the_overlap_ends() {
    let world = World::start().await;
    let old = |at| cloudmsg("svc-1", "old-secret-of-a", at, &format!("[{}]", delivered("m-1", "r")));
    assert_eq!(world.status(&old(noon())).await, StatusCode::OK);
    world.clock.set(end_of_overlap());
    assert_eq!(world.status(&old(end_of_overlap())).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn organisations_with_the_same_secret_are_both_spoken_for() {
    let world = World::start().await;
    world.config.change(2, entry("c", &[("cloudmsg", "svc-1", &[("secret-of-a", false)])]));
    let callback = cloudmsg("svc-1", "secret-of-a", noon(), &format!("[{}]", delivered("m-1", "r")));
    until("the new organisation is known", async || {
        assert_eq!(world.status(&callback).await, StatusCode::OK);
        world.dispatcher.committed().last().unwrap().organization_ids == ["a", "c"]
    })
    .await;
}
