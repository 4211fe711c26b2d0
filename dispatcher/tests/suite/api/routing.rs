//! Which vendor carries a message.

use std::collections::HashMap;

use switchboard_proto::{
    common::v1::Channel,
    config::v1::{ChannelOverride, OrganizationEntry, ProviderAccount},
    dispatch::v1::{Fallback, MessageStatus, SendAlimtalkRequest, SendSmsRequest},
};
use switchboard_vendor_sim::demo::{CLOUDMSG_DEFAULT, CLOUDMSG_HANBIT, SENDTALK_HANBIT};
use tonic::Code;

use super::harness::{
    EntryExt as _, Seen as _, World, alimtalk, cloudmsg, organization, sendtalk, sms, without_default_sender,
};

fn hanbit() -> OrganizationEntry {
    organization("hanbit", vec![cloudmsg(&CLOUDMSG_HANBIT), sendtalk(&SENDTALK_HANBIT)])
}

#[tokio::test]
async fn after_a_switch_the_very_next_message_goes_the_other_way_and_back() {
    let world = World::start().await;
    for vendor in ["sendtalk", "cloudmsg", "sendtalk"] {
        world.config.set(hanbit().primary(vendor)).await;
        let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
        assert_eq!((message.provider.as_str(), message.status()), (vendor, MessageStatus::Queued));
        assert_eq!(message.config_revision, world.config.revision(), "it says what it was sent under");
    }
    assert_eq!((world.vendors.cloudmsg().sends(), world.vendors.sendtalk().sends()), (1, 2));
}

#[tokio::test]
async fn an_organisation_whose_mapping_is_taken_away_is_served_by_the_default() {
    let world = World::start().await;
    world.config.set(organization("hanbit", Vec::new())).await;
    let message = world.sender().sms(sms("hanbit", "글")).await.unwrap();
    assert_eq!(message.provider_account, "svc-default");
    world.config.delete("narae").await;
    let message = world.sender().sms(sms("narae", "글")).await.unwrap();
    assert_eq!(message.provider_account, "svc-default");
}

#[tokio::test]
async fn where_the_default_names_no_vendor_it_is_the_one_that_all_had_before() {
    let world = World::start().await;
    world.config.set(organization("default", vec![cloudmsg(&CLOUDMSG_DEFAULT)]).primary("")).await;
    for organization in ["never-heard-of", "default"] {
        let message = world.sender().sms(sms(organization, "글")).await.unwrap();
        assert_eq!(message.provider_account, "svc-default", "{organization}");
    }
}

#[tokio::test]
async fn unknown_organisations_are_refused_where_that_is_wanted() {
    let world = World::configured(|config| config.require_known_organization = true).await;
    let refused = world.sender().sms(sms("never-heard-of", "글")).await.unwrap_err();
    refused.assert(Code::NotFound, "ORGANIZATION_NOT_FOUND");
    assert!(world.sender().all("never-heard-of").await.is_empty());
    world.config.set(organization("known", Vec::new())).await;
    assert_eq!(world.sender().sms(sms("known", "글")).await.unwrap().provider_account, "svc-default");
}

#[tokio::test]
async fn what_only_a_newer_config_service_knows_keeps_no_message_from_its_way() {
    let world = World::start().await;
    let mut newer = hanbit().over(Channel::Lms, "sendtalk");
    let kind_of_the_future = ChannelOverride { channel: 99, provider: "sendtalk".to_owned() };
    newer.routing.get_or_insert_default().channel_overrides.push(kind_of_the_future);
    let vendor_of_the_future = ProviderAccount { provider: "faxco".to_owned(), ..ProviderAccount::default() };
    newer.accounts.push(vendor_of_the_future);
    world.config.set(newer).await;
    assert_eq!(world.sender().sms(sms("hanbit", "글")).await.unwrap().provider, "cloudmsg");
    assert_eq!(world.sender().sms(sms("hanbit", &"가".repeat(50))).await.unwrap().provider, "sendtalk");
}

#[tokio::test]
async fn an_override_sends_one_kind_another_way() {
    let world = World::start().await;
    world.config.set(hanbit().over(Channel::Alimtalk, "sendtalk").over(Channel::Lms, "sendtalk")).await;
    assert_eq!(world.sender().sms(sms("hanbit", "글")).await.unwrap().provider, "cloudmsg");
    assert_eq!(world.sender().sms(sms("hanbit", &"가".repeat(50))).await.unwrap().provider, "sendtalk");
    assert_eq!(world.sender().alimtalk(alimtalk("hanbit")).await.unwrap().provider, "sendtalk");
}

#[tokio::test]
async fn an_override_beats_a_trial() {
    let world = World::start().await;
    world.config.set(hanbit().canary("sendtalk", 100).over(Channel::Sms, "cloudmsg")).await;
    assert_eq!(world.sender().sms(sms("hanbit", "글")).await.unwrap().provider, "cloudmsg");
    assert_eq!(world.sender().alimtalk(alimtalk("hanbit")).await.unwrap().provider, "sendtalk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_trial_a_recipient_always_falls_on_the_same_side() {
    let world = World::start().await;
    world.config.set(hanbit().canary("sendtalk", 30)).await;
    let side = async |number: usize| {
        let to = format!("010-2{:03}-{:04}", number / 10, number * 7 % 10_000);
        let request = SendSmsRequest { to: to.clone(), ..sms("hanbit", "글") };
        (to, world.sender().sms(request).await.unwrap().provider)
    };
    let first: HashMap<_, _> = futures::future::join_all((0..60).map(side)).await.into_iter().collect();
    let second: HashMap<_, _> = futures::future::join_all((0..60).map(side)).await.into_iter().collect();
    assert_eq!(first, second);
    let trial = first.values().filter(|provider| *provider == "sendtalk").count();
    assert!((5..=35).contains(&trial), "about 18 of 60, not {trial}");
}

#[tokio::test]
async fn a_vendor_without_an_account_is_told_and_nothing_is_sent() {
    let world = World::start().await;
    world.config.set(hanbit().primary("kakaotel")).await;
    let refused = world.sender().sms(sms("hanbit", "글")).await.unwrap_err();
    refused.assert(Code::Unavailable, "CONFIG_UNAVAILABLE");
    assert!(refused.sentence.contains("hanbit") && refused.sentence.contains("kakaotel"), "{refused:?}");
    assert!(world.sender().all("hanbit").await.is_empty());
}

#[tokio::test]
async fn an_account_that_cannot_be_opened_stops_nobody_else() {
    let world = World::start().await;
    let mut broken = hanbit();
    broken.accounts[0].credentials.remove("secret_key");
    world.config.set(broken).await;
    let refused = world.sender().sms(sms("hanbit", "글")).await.unwrap_err();
    refused.assert(Code::Unavailable, "CONFIG_UNAVAILABLE");
    for organization in ["narae", "never-heard-of"] {
        assert!(world.sender().sms(sms(organization, "글")).await.is_ok());
    }
    world.config.set(hanbit()).await;
    assert!(world.sender().sms(sms("hanbit", "글")).await.is_ok());
}

#[tokio::test]
async fn without_any_sender_number_nothing_is_sent() {
    let world = World::start().await;
    world.config.set(organization("hanbit", vec![without_default_sender(cloudmsg(&CLOUDMSG_HANBIT))])).await;
    let refused = world.sender().sms(sms("hanbit", "글")).await.unwrap_err();
    refused.assert(Code::FailedPrecondition, "NO_SENDER");
    let fallback = Some(Fallback { text: "글".to_owned(), ..Fallback::default() });
    let refused = world.sender().alimtalk(SendAlimtalkRequest { fallback, ..alimtalk("hanbit") }).await.unwrap_err();
    refused.assert(Code::FailedPrecondition, "NO_SENDER");
    assert!(world.sender().all("hanbit").await.is_empty());
    let named = SendSmsRequest { sender: "1600-5678".to_owned(), ..sms("hanbit", "글") };
    assert_eq!(world.sender().sms(named).await.unwrap().status(), MessageStatus::Queued);
    assert!(world.sender().alimtalk(alimtalk("hanbit")).await.is_ok(), "an Alimtalk needs none");
}

#[tokio::test]
async fn without_a_default_account_only_mapped_organisations_are_served() {
    let world = World::start().await;
    world.config.delete("default").await;
    let refused = world.sender().sms(sms("never-heard-of", "글")).await.unwrap_err();
    refused.assert(Code::Unavailable, "CONFIG_UNAVAILABLE");
    assert!(refused.sentence.contains("default"), "{refused:?}");
    assert!(world.sender().sms(sms("hanbit", "글")).await.is_ok());
}
