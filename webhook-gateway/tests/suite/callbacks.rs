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
async fn what_cannot_be_read_is_400_what_is_too_large_413_and_who_is_unknown_404() {
    let world = World::start().await;
    let unreadable = cloudmsg("svc-1", "secret-of-a", noon(), r#"{"not":"an array"}"#);
    assert_eq!(world.status(&unreadable).await, StatusCode::BAD_REQUEST);
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
async fn one_malformed_event_does_not_reject_the_others() {
    let world = World::start().await;
    let body = format!(r#"[{},{{"messageId":7}},{}]"#, delivered("m-1", "r"), delivered("m-3", "r"));
    assert_eq!(world.status(&cloudmsg("svc-1", "secret-of-a", noon(), &body)).await, StatusCode::OK);
    let committed: Vec<_> = world.dispatcher.committed().into_iter().map(|u| u.provider_message_id).collect();
    assert_eq!(committed, ["m-1", "m-3"]);
    let nothing_else = cloudmsg("svc-1", "secret-of-a", noon(), r#"[{"messageId":7}]"#);
    assert_eq!(world.status(&nothing_else).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn events_that_are_not_about_a_message_are_answered_and_ignored() {
    let world = World::start().await;
    let body = r#"{"type":"template.approved","timestamp":"2023-11-14T22:13:20Z","data":{"template_code":"T"}}"#;
    assert_eq!(world.status(&sendtalk("acct_1", SENDTALK_SECRET, noon(), body)).await, StatusCode::OK);
    assert!(world.dispatcher.committed().is_empty());
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
