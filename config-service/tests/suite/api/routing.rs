//! Routing: what it refuses, and how it switches.

use switchboard_proto::{
    common::v1::Channel,
    config::v1::{
        Canary, ChannelOverride, CreateProviderConfigRequest, DeleteProviderConfigRequest, GetRoutingRequest, Routing,
    },
};
use tonic::Code;

use super::steps;
use crate::support::{Service, cloudmsg, refusal, sendtalk};

fn to(primary: &str, version: i64) -> Routing {
    Routing { primary: primary.to_owned(), version, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_is_switched_back_and_forth_and_home_again() {
    let service = Service::start().await;
    steps::acme_with_cloudmsg(&service).await;
    steps::save(&service, steps::create("acme", "sendtalk", sendtalk())).await.unwrap();
    let get = GetRoutingRequest { organization_id: "acme".to_owned() };
    let before = service.admin("viewer").get_routing(get).await.unwrap().into_inner().routing.unwrap();
    assert_eq!((before.primary.as_str(), before.version, before.update_time), ("", 0, None));
    let first = steps::route(&service, "acme", to("cloudmsg", 0)).await.unwrap();
    assert_eq!(first.routing.unwrap().version, 1);
    let second = steps::route(&service, "acme", to("sendtalk", 1)).await.unwrap();
    assert_eq!(second.revision, first.revision + 1);
    let lost = steps::route(&service, "acme", to("cloudmsg", 1)).await.unwrap_err();
    assert_eq!(refusal(&lost), (Code::Aborted, "VERSION_CONFLICT".to_owned()));
    let home = steps::route(&service, "acme", to("", 2)).await.unwrap().routing.unwrap();
    assert_eq!((home.primary.as_str(), home.version), ("", 3));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_is_unknown_or_has_no_credentials_or_lacks_the_channel_is_refused() {
    let service = Service::start().await;
    steps::acme_with_cloudmsg(&service).await;
    let refused = |routing| async { refusal(&steps::route(&service, "acme", routing).await.unwrap_err()) };
    assert_eq!(refused(to("pigeon", 0)).await, (Code::NotFound, "PROVIDER_UNKNOWN".to_owned()));
    assert_eq!(refused(to("sendtalk", 0)).await, (Code::NotFound, "PROVIDER_CONFIG_NOT_FOUND".to_owned()));
    let failover = Routing { failover: vec!["sendtalk".to_owned()], ..to("cloudmsg", 0) };
    assert_eq!(refused(failover).await, (Code::NotFound, "PROVIDER_CONFIG_NOT_FOUND".to_owned()));
    let canary = Canary { provider: "sendtalk".to_owned(), percent: 0 };
    let canary = Routing { canary: Some(canary), ..to("cloudmsg", 0) };
    assert_eq!(refused(canary).await, (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
    let unsaid = ChannelOverride { channel: Channel::Unspecified.into(), provider: "cloudmsg".to_owned() };
    let unsaid = Routing { channel_overrides: vec![unsaid], ..to("cloudmsg", 0) };
    assert_eq!(refused(unsaid).await, (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
    let nowhere = steps::route(&service, "nowhere", to("cloudmsg", 0)).await.unwrap_err();
    assert_eq!(refusal(&nowhere), (Code::NotFound, "ORGANIZATION_NOT_FOUND".to_owned()));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_deleted_only_with_the_name_typed_again_and_when_nothing_is_routed_to_them() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "서울 의원").await;
    let create = CreateProviderConfigRequest { activate: true, ..steps::create("acme", "cloudmsg", cloudmsg()) };
    steps::save(&service, create).await.unwrap();
    steps::save(&service, steps::create("acme", "sendtalk", sendtalk())).await.unwrap();
    let delete = |provider: &str, version, name: &str| DeleteProviderConfigRequest {
        organization_id: "acme".to_owned(),
        provider: provider.to_owned(),
        version,
        confirm_organization_name: name.to_owned(),
        ..Default::default()
    };
    let mut admin = service.admin("operator");
    let mut refused = async |request| refusal(&admin.delete_provider_config(request).await.unwrap_err());
    let mismatch = (Code::FailedPrecondition, "CONFIRMATION_MISMATCH".to_owned());
    let in_use = (Code::FailedPrecondition, "PROVIDER_IN_USE".to_owned());
    let conflict = (Code::Aborted, "VERSION_CONFLICT".to_owned());
    assert_eq!(refused(delete("cloudmsg", 1, "")).await, mismatch);
    assert_eq!(refused(delete("cloudmsg", 1, "서울의원")).await, mismatch);
    assert_eq!(refused(delete("cloudmsg", 1, "서울 의원")).await, in_use);
    assert_eq!(refused(delete("sendtalk", 2, "서울 의원")).await, conflict);
    let with_failover = Routing { failover: vec!["sendtalk".to_owned()], ..to("cloudmsg", 1) };
    steps::route(&service, "acme", with_failover).await.unwrap();
    assert_eq!(refused(delete("sendtalk", 1, "서울 의원")).await, in_use);
    steps::route(&service, "acme", to("cloudmsg", 2)).await.unwrap();
    let gone = service.admin("operator").delete_provider_config(delete("sendtalk", 1, " 서울 의원 ")).await.unwrap();
    assert!(gone.into_inner().revision > 0);
    let missing = (Code::NotFound, "PROVIDER_CONFIG_NOT_FOUND".to_owned());
    assert_eq!(refused(delete("sendtalk", 1, "서울 의원")).await, missing);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_made_again_does_not_take_the_version_that_somebody_has_seen() {
    let service = Service::start().await;
    steps::acme_with_cloudmsg(&service).await;
    let delete = DeleteProviderConfigRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        version: 1,
        confirm_organization_name: "Acme".to_owned(),
        ..Default::default()
    };
    service.admin("operator").delete_provider_config(delete).await.unwrap();
    let again = steps::save(&service, steps::create("acme", "cloudmsg", cloudmsg())).await.unwrap();
    assert_eq!(again.provider_config.unwrap().version, 2);
    service.stop().await;
}
