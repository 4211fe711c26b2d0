//! What happens while a neighbour is away, slow, or does not understand.

use std::{sync::atomic::Ordering, time::Duration};

use reqwest::{StatusCode, header::RETRY_AFTER};
use switchboard_webhook_gateway::Config;
use tonic::Status;

use crate::{
    vendors::{Callback, cloudmsg, delivered},
    world::{World, noon, until},
};

fn callback(message: &str) -> Callback {
    cloudmsg("svc-1", "secret-of-a", noon(), &format!("[{}]", delivered(message, message)))
}

#[tokio::test]
async fn without_a_snapshot_the_vendor_is_asked_to_come_again() {
    let world = World::without_config_service().await;
    let response = world.post(&callback("m-1")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(RETRY_AFTER));
    assert_eq!(world.http.get(world.url("/readyz")).send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.http.get(world.url("/healthz")).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn secrets_outlive_the_connection_to_config_service() {
    let mut world = World::start().await;
    world.config_service.take();
    assert_eq!(world.status(&callback("m-1")).await, StatusCode::OK);
}

#[tokio::test]
async fn while_the_dispatcher_is_away_vendors_come_again_and_nothing_is_lost() {
    let mut world = World::start().await;
    let address = world.dispatcher_peer.take().unwrap().address;
    let response = world.post(&callback("m-1")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let seconds: u64 = response.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!(seconds >= 1);
    world.dispatcher_peer = Some(world.dispatcher.start(address).await);
    until("the gateway has found the dispatcher again", async || world.status(&callback("m-1")).await.is_success())
        .await;
    assert_eq!(world.dispatcher.committed()[0].provider_message_id, "m-1");
}

#[tokio::test]
async fn a_dispatcher_that_refuses_is_never_answered_as_committed() {
    let world = World::start().await;
    *world.dispatcher.refusal.lock().unwrap() = Some(Status::unavailable("the history cannot be written"));
    let response = world.post(&callback("m-1")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!response.text().await.unwrap().contains("history"), "what is inside stays inside");
}

#[tokio::test]
async fn a_dispatcher_that_does_not_answer_in_time_is_given_up() {
    let world = World::with(Config { report_timeout: Duration::from_millis(100), ..Config::default() }).await;
    world.dispatcher.gate.forget_permits(usize::MAX);
    assert_eq!(world.status(&callback("m-1")).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_update_that_nobody_understands_does_not_hold_up_the_others() {
    holds_up_no_other("poison").await;
}

#[tokio::test]
async fn an_update_that_is_too_large_does_not_hold_up_the_others() {
    holds_up_no_other("large").await;
}

async fn holds_up_no_other(reference: &str) {
    let world = World::with(Config { max_reports: 1, ..Config::default() }).await;
    world.dispatcher.gate.forget_permits(usize::MAX);
    let first = callback("m-0");
    let poison = cloudmsg("svc-1", "secret-of-a", noon(), &format!("[{}]", delivered("m-p", reference)));
    let good = callback("m-1");
    let released = async {
        until("the first call is under way", async || world.dispatcher.begun.load(Ordering::SeqCst) == 1).await;
        world.dispatcher.gate.add_permits(1);
    };
    let (first, poison, good, ()) =
        tokio::join!(world.status(&first), world.status(&poison), world.status(&good), released);
    assert_eq!((first, poison, good), (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK));
}

#[tokio::test]
async fn more_callbacks_than_it_can_hold_are_asked_to_come_again() {
    let world = World::with(Config { max_callbacks: 2, ..Config::default() }).await;
    world.dispatcher.gate.forget_permits(usize::MAX);
    let (a, b) = (callback("m-1"), callback("m-2"));
    let shed = async {
        until("both places are taken", async || world.dispatcher.begun.load(Ordering::SeqCst) == 2).await;
        let response = world.post(&callback("m-3")).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(RETRY_AFTER));
        world.dispatcher.gate.add_permits(2);
    };
    let (a, b, ()) = tokio::join!(world.status(&a), world.status(&b), shed);
    assert_eq!((a, b), (StatusCode::OK, StatusCode::OK));
}
