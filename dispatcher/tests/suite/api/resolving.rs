//! The mappings in memory, when config-service fails in every way that it can.

use std::time::Duration;

use futures::future::join_all;
use switchboard_dispatcher::Config;
use switchboard_proto::{config::v1::OrganizationEntry, dispatch::v1::MessageStatus};
use switchboard_vendor_sim::demo::{CLOUDMSG_HANBIT, SENDTALK_HANBIT};
use tonic::Code;

use super::harness::{EntryExt as _, Resolve, Seen as _, World, cloudmsg, organization, sendtalk, sms};
use crate::support::eventually;

fn hanbit(primary: &str) -> OrganizationEntry {
    organization("hanbit", vec![cloudmsg(&CLOUDMSG_HANBIT), sendtalk(&SENDTALK_HANBIT)]).primary(primary)
}

/// Through which vendor a message of the organisation goes now.
async fn way(world: &World) -> String {
    world.sender().sms(sms("hanbit", "글")).await.unwrap().provider
}

async fn eventually_goes_through(world: &World, provider: &str) {
    eventually("messages go the new way", async || (way(world).await == provider).then_some(())).await;
}

fn believing(cache_ttl: Duration, max_stale: Duration) -> impl FnOnce(&mut Config) {
    move |config| {
        config.cache_ttl = cache_ttl;
        config.max_stale = max_stale;
        config.watch.reconnect_min = Duration::from_millis(10);
        config.watch.reconnect_max = Duration::from_millis(50);
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn while_the_stream_is_healthy_nothing_is_asked() {
    let world = World::configured(believing(Duration::ZERO, HOUR)).await;
    for organization in ["hanbit", "narae", "never-heard-of"] {
        world.sender().sms(sms(organization, "글")).await.unwrap();
    }
    assert_eq!(world.config.resolved(), Vec::<String>::new());
}

#[tokio::test]
async fn a_cut_stream_leaves_the_mappings_good_until_their_ttl() {
    let world = World::configured(believing(HOUR, HOUR)).await;
    world.config.cut();
    eventually("the dispatcher notices", async || {
        world.http("/readyz").await.1.contains("using revision").then_some(())
    })
    .await;
    world.config.set_unheard(hanbit("sendtalk"));
    assert_eq!(way(&world).await, "cloudmsg");
    assert_eq!(world.config.resolved(), Vec::<String>::new(), "nobody was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_its_ttl_a_mapping_is_asked_for_once_for_all_who_wait() {
    let world = World::configured(believing(Duration::from_secs(2), HOUR)).await;
    world.config.cut();
    world.config.set_unheard(hanbit("sendtalk"));
    let asked = eventually("the mapping is asked for", async || {
        join_all((0..20).map(|_| way(&world))).await;
        Some(world.config.resolved()).filter(|asked| !asked.is_empty())
    })
    .await;
    assert_eq!(asked, ["hanbit"], "once");
    assert_eq!(way(&world).await, "sendtalk");
}

#[tokio::test]
async fn with_config_service_gone_the_last_known_mapping_serves() {
    let world = World::configured(believing(Duration::ZERO, HOUR)).await;
    world.config.resolve(Resolve::Refuse);
    world.config.cut();
    eventually("it is asked in vain", async || {
        assert_eq!(way(&world).await, "cloudmsg");
        (!world.config.resolved().is_empty()).then_some(())
    })
    .await;
    assert_eq!(way(&world).await, "cloudmsg");
    let unknown = world.sender().sms(sms("never-heard-of", "글")).await.unwrap();
    assert_eq!(unknown.provider_account, "svc-default", "what the last snapshot did not have is served by the default");
    let (status, body) = world.http("/readyz").await;
    assert_eq!(status, 200, "it does its job, and says how: {body}");
    assert!(body.contains("using revision"), "{body}");
}

#[tokio::test]
async fn beyond_the_greatest_staleness_nothing_is_sent_by_guess() {
    let world = World::configured(believing(Duration::ZERO, Duration::from_millis(300))).await;
    world.config.resolve(Resolve::Refuse);
    world.config.cut();
    let refused =
        eventually("the mapping is too old", async || world.sender().sms(sms("hanbit", "글")).await.err()).await;
    refused.assert(Code::Unavailable, "CONFIG_UNAVAILABLE");
    assert!(refused.retry);
    let before = world.sender().all("hanbit").await.len();
    world.sender().sms(sms("hanbit", "글")).await.unwrap_err().assert(Code::Unavailable, "CONFIG_UNAVAILABLE");
    assert_eq!(world.sender().all("hanbit").await.len(), before, "and nothing is recorded");
    world.config.mend();
    eventually("it recovers by itself", async || world.sender().sms(sms("hanbit", "글")).await.ok()).await;
}

#[tokio::test]
async fn an_organisation_made_while_the_stream_is_cut_is_found_by_asking() {
    let world = World::configured(believing(Duration::ZERO, HOUR)).await;
    world.config.cut();
    world.config.set_unheard(organization("new", vec![sendtalk(&SENDTALK_HANBIT)]));
    eventually("it is found", async || {
        let message = world.sender().sms(sms("new", "글")).await.unwrap();
        (message.provider == "sendtalk").then_some(())
    })
    .await;
}

#[tokio::test]
async fn after_an_error_the_stream_comes_back_and_brings_changes_again() {
    let world = World::configured(believing(HOUR, HOUR)).await;
    for primary in ["sendtalk", "cloudmsg", "sendtalk"] {
        let subscriptions = world.config.subscriptions();
        world.config.interrupt();
        eventually("it subscribes again", async || (world.config.subscriptions() > subscriptions).then_some(())).await;
        world.config.set(hanbit(primary)).await;
        assert_eq!(way(&world).await, primary, "not only after the TTL");
    }
}

#[tokio::test]
async fn a_change_made_while_the_stream_was_cut_is_applied_once_it_is_back() {
    let world = World::configured(believing(HOUR, HOUR)).await;
    world.config.cut();
    let revision = world.config.set_unheard(hanbit("sendtalk"));
    world.config.mend();
    world.config.applied(revision).await;
    assert_eq!(way(&world).await, "sendtalk");
}

#[tokio::test]
async fn a_stream_over_which_nothing_comes_any_more_is_given_up_and_replaced() {
    let world = World::configured(|config| {
        believing(HOUR, HOUR)(config);
        config.watch.heartbeat_interval = Duration::from_millis(200);
    })
    .await;
    world.config.fall_silent();
    world.config.set_unheard(hanbit("sendtalk"));
    eventually_goes_through(&world, "sendtalk").await;
    assert!(world.config.subscriptions() >= 2);
}

#[tokio::test]
async fn an_old_change_after_a_new_one_changes_nothing() {
    let world = World::start().await;
    let old = world.config.revision();
    world.config.set(hanbit("sendtalk")).await;
    world.config.tell_change(old, hanbit("cloudmsg"));
    world.config.set(organization("unrelated", Vec::new())).await;
    assert_eq!(way(&world).await, "sendtalk", "the stream is in order again, and the old change had no effect");
}

#[tokio::test]
async fn a_lagging_replica_does_not_take_a_mapping_back() {
    let world = World::configured(believing(Duration::ZERO, HOUR)).await;
    let mut old = hanbit("cloudmsg");
    old.revision = world.config.revision();
    world.config.set(hanbit("sendtalk")).await;
    world.config.resolve(Resolve::With(Box::new(old)));
    world.config.cut();
    eventually("the replica was asked", async || {
        assert_eq!(way(&world).await, "sendtalk");
        (world.config.resolved().len() >= 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_store_that_has_lost_its_data_takes_no_mapping_away_when_it_is_asked() {
    let world = World::configured(believing(Duration::ZERO, HOUR)).await;
    world.config.resolve(Resolve::Lost);
    for epoch in ["epoch-1", "epoch-2"] {
        world.config.cut();
        world.config.restored_as(epoch);
        let asked = world.config.resolved().len();
        eventually("it was asked", async || {
            let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
            assert_eq!(message.provider_account, CLOUDMSG_HANBIT.service_id, "not the default's");
            (world.config.resolved().len() >= asked + 3).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_a_restored_store_says_of_a_new_organisation_is_used_before_its_snapshot_comes() {
    let world = World::configured(believing(Duration::ZERO, HOUR)).await;
    world.config.cut();
    world.config.restored_as("epoch-2");
    world.config.set_unheard(organization("new", vec![sendtalk(&SENDTALK_HANBIT)]));
    eventually("it is asked", async || {
        let message = world.sender().sms(sms("new", "글")).await.unwrap();
        let asked = world.config.resolved().contains(&"new".to_owned());
        assert!(!asked || message.provider == "sendtalk", "not through the default account");
        asked.then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_empty_snapshot_without_a_new_epoch_wipes_nothing() {
    let world = World::configured(believing(HOUR, HOUR)).await;
    world.config.set(hanbit("sendtalk")).await;
    world.config.tell_empty_snapshot();
    let why = world.config.refusal().await;
    assert!(why.contains("empty snapshot"), "{why}");
    assert_eq!(way(&world).await, "sendtalk");
}

#[tokio::test]
async fn a_message_under_way_ends_although_its_mapping_changes() {
    use switchboard_vendor_sim::Fault;
    let world = World::start().await;
    world.vendors.cloudmsg().next_send(Fault::Delay { ms: 500, accept_first: true });
    let sender = world.sender();
    let (message, ()) = tokio::join!(sender.sms(sms("hanbit", "글")), async {
        world.vendors.cloudmsg().has_message().await;
        world.config.set(hanbit("sendtalk")).await;
    });
    let message = message.unwrap();
    assert_eq!((message.provider.as_str(), message.status()), ("cloudmsg", MessageStatus::Queued));
    assert_eq!(way(&world).await, "sendtalk");
}
