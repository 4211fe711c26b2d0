//! The audit trail as auditors see it.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _, SqliteConnection};
use switchboard_proto::config::v1::{
    AuditEvent, AuditHead, CreateOrganizationRequest, CreateProviderConfigRequest, DeleteProviderConfigRequest,
    GetAuditHeadRequest, GetOrganizationRequest, GetProviderConfigRequest, GetRoutingRequest, ListAuditEventsRequest,
    ListProviderConfigsRequest, NodeKind, ResolveOrganizationRequest, Routing, TestConnectionRequest,
    UpdateOrganizationRequest, UpdateProviderConfigRequest, UpdateRoutingRequest, VerifyAuditTrailRequest,
    config_admin_service_client::ConfigAdminServiceClient,
};
use tonic::Code;

use super::{
    steps,
    subscriber::{Subscriber, hello},
};
use crate::support::{SOON, Service, cloudmsg, config, eventually, folder, pairs, refusal, sendtalk};

async fn events(service: &Service, request: ListAuditEventsRequest) -> Vec<AuditEvent> {
    service.admin("auditor").list_audit_events(request).await.unwrap().into_inner().audit_events
}

async fn head(service: &Service) -> AuditHead {
    service.admin("auditor").get_audit_head(GetAuditHeadRequest {}).await.unwrap().into_inner().head.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_is_told_with_who_what_and_how_it_ended_and_no_secret() {
    let service = Service::start().await;
    let saved = steps::acme_with_cloudmsg(&service).await;
    let test = TestConnectionRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        credentials: pairs([("secret_key", "wrong-wrong-wrong")]),
        use_stored: true,
    };
    service.admin("operator").test_connection(test).await.unwrap();
    let update = UpdateProviderConfigRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        credentials: pairs([("callback_secret", "the-next-secret"), ("default_sender", "")]),
        version: 1,
        request_id: "ticket-7".to_owned(),
        ..Default::default()
    };
    let updated = service.admin("operator").update_provider_config(update).await.unwrap().into_inner();
    let routed = Routing { primary: "cloudmsg".to_owned(), ..Default::default() };
    steps::route(&service, "acme", routed.clone()).await.unwrap();
    steps::route(&service, "acme", routed).await.unwrap_err();
    let delete = DeleteProviderConfigRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        version: 2,
        confirm_organization_name: "Acme".to_owned(),
        ..Default::default()
    };
    service.admin("operator").delete_provider_config(delete).await.unwrap_err();

    let told =
        events(&service, ListAuditEventsRequest { organization_id: "acme".to_owned(), ..Default::default() }).await;
    let short: Vec<_> =
        told.iter().map(|event| (event.action.as_str(), event.actor.as_str(), event.outcome.as_str())).collect();
    assert_eq!(
        short,
        [
            ("DeleteProviderConfig", "operator", "PROVIDER_IN_USE"),
            ("UpdateRouting", "operator", "VERSION_CONFLICT"),
            ("UpdateRouting", "operator", "OK"),
            ("UpdateProviderConfig", "operator", "OK"),
            ("TestConnection", "operator", "CREDENTIALS_REJECTED"),
            ("CreateProviderConfig", "operator", "OK"),
            ("CreateOrganization", "superadmin", "OK"),
        ]
    );
    let update = &told[3];
    assert_eq!((update.request_id.as_str(), update.revision), ("ticket-7", updated.revision));
    assert_eq!(update.roles, ["OPERATOR"]);
    assert!(update.peer.starts_with("127.0.0.1:"), "{}", update.peer);
    let changes: Vec<_> = update
        .changes
        .iter()
        .map(|change| (change.field.as_str(), change.secret, change.before.is_empty(), change.after.is_empty()))
        .collect();
    assert_eq!(
        changes,
        [
            ("credentials.callback_secret", true, true, true),
            ("credentials.default_sender", false, false, true),
            ("previous_webhook_secret.expire_time", false, true, false),
        ]
    );
    assert_eq!(told[5].revision, saved.revision);
    let printed = format!("{told:?}");
    for secret in ["wrong-wrong-wrong", "the-next-secret", &cloudmsg()["secret_key"], &cloudmsg()["callback_secret"]] {
        assert!(!printed.contains(secret));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_calls_are_told_and_none_is_lost_when_the_service_ends() {
    let folder = folder();
    let service = Service::start_with(config(), std::sync::Arc::clone(&folder)).await;
    for _ in 0..50 {
        let request = GetOrganizationRequest { organization_id: "default".to_owned() };
        let refused = service.admin("sender").get_organization(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    let unknown = service.admin("nobody").get_audit_head(GetAuditHeadRequest {}).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unauthenticated);
    service.stop().await;
    let service = Service::start_with(config(), folder).await;
    let request = ListAuditEventsRequest { actor: "sender".to_owned(), page_size: 1_000, ..Default::default() };
    let told = events(&service, request).await;
    assert_eq!(told.len(), 50);
    assert!(told.iter().all(|event| event.outcome == "ROLE_REQUIRED" && event.action == "GetOrganization"));
    let request = ListAuditEventsRequest { action: "GetAuditHead".to_owned(), ..Default::default() };
    let told = events(&service, request).await;
    assert_eq!((told[0].outcome.as_str(), told[0].actor.as_str()), ("TOKEN_INVALID", ""));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_calls_are_written_at_a_pace_that_fills_no_table() {
    let service = Service::start().await;
    let (began, mut sender) = (tokio::time::Instant::now(), service.admin("sender"));
    for _ in 0..200 {
        let request = GetOrganizationRequest { organization_id: "default".to_owned() };
        sender.get_organization(request).await.unwrap_err();
    }
    eventually("all of them are told", async || {
        let request = ListAuditEventsRequest { actor: "sender".to_owned(), page_size: 1_000, ..Default::default() };
        (events(&service, request).await.len() == 200).then_some(())
    })
    .await;
    assert!(began.elapsed() >= Duration::from_secs(2), "64 a second");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_on_somebody_elses_organisation_is_told() {
    let service = Service::start().await;
    steps::organization(&service, "other", "Other").await;
    let create = steps::create("other", "cloudmsg", cloudmsg());
    let refused = service.admin("operator-of-acme").create_provider_config(create).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::PermissionDenied, "ROLE_REQUIRED".to_owned()));
    let request = ListAuditEventsRequest { actor: "operator-of-acme".to_owned(), ..Default::default() };
    let told = events(&service, request).await;
    assert_eq!((told[0].action.as_str(), told[0].outcome.as_str()), ("CreateProviderConfig", "ROLE_REQUIRED"));
    assert_eq!(told[0].organization_id, "other");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_test_that_cannot_be_audited_is_not_answered() {
    let service = Service::start().await;
    steps::acme_with_cloudmsg(&service).await;
    let file = format!("sqlite://{}", service.folder.path().join("config.db").display());
    let mut store = SqliteConnection::connect(&file).await.unwrap();
    let no_more = "CREATE TRIGGER no_more BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'no more'); END";
    store.execute(no_more).await.unwrap();
    let mut wrong = cloudmsg();
    wrong.insert("secret_key".to_owned(), "another-secret-key".to_owned());
    for credentials in [cloudmsg(), wrong] {
        let test = TestConnectionRequest {
            organization_id: "acme".to_owned(),
            provider: "cloudmsg".to_owned(),
            credentials,
            use_stored: false,
        };
        let refused = service.admin("operator").test_connection(test.clone()).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::Unavailable, "CONFIG_UNAVAILABLE".to_owned()));
    }
    let dry = CreateProviderConfigRequest { validate_only: true, ..steps::create("acme", "sendtalk", sendtalk()) };
    let refused = steps::save(&service, dry).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unavailable, "CONFIG_UNAVAILABLE".to_owned()));
    store.execute("DROP TRIGGER no_more").await.unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_that_asks_a_vendor_or_tries_what_its_caller_may_not_is_told() {
    let service = Service::start().await;
    steps::organization(&service, "other", "Other").await;
    let dry = |credentials| CreateProviderConfigRequest {
        validate_only: true,
        ..steps::create("other", "cloudmsg", credentials)
    };
    service.admin("operator-of-acme").create_provider_config(dry(cloudmsg())).await.unwrap_err();
    let forced = CreateProviderConfigRequest { skip_connection_test: true, ..dry(cloudmsg()) };
    steps::save(&service, forced).await.unwrap_err();
    steps::save(&service, dry(pairs([("colour", "blue")]))).await.unwrap_err();
    let mut wrong = cloudmsg();
    wrong.insert("secret_key".to_owned(), "another-secret-key".to_owned());
    steps::save(&service, dry(wrong)).await.unwrap_err();
    steps::save(&service, dry(cloudmsg())).await.unwrap();
    let told =
        events(&service, ListAuditEventsRequest { organization_id: "other".to_owned(), ..Default::default() }).await;
    let short: Vec<_> =
        told.iter().map(|event| (event.action.as_str(), event.actor.as_str(), event.outcome.as_str())).collect();
    assert_eq!(
        short,
        [
            ("TestConnection", "operator", "OK"),
            ("CreateProviderConfig", "operator", "CONNECTION_TEST_FAILED"),
            ("TestConnection", "operator", "CREDENTIALS_REJECTED"),
            ("CreateProviderConfig", "operator", "ROLE_REQUIRED"),
            ("CreateProviderConfig", "operator-of-acme", "ROLE_REQUIRED"),
            ("CreateOrganization", "superadmin", "OK"),
        ]
    );
    assert!(told.iter().all(|event| event.revision == 0 || event.action == "CreateOrganization"));
    assert!(told[3].forced && told[4].organization_id == "other");
    service.stop().await;
}

/// What is tried where it may not be, by name, and how it ends.
async fn every_denial(service: &Service) -> Vec<(&'static str, &'static str, tonic::Status)> {
    let other = || "other".to_owned();
    let cloudmsg_of_other = || (other(), "cloudmsg".to_owned());
    let mut denied = Vec::new();
    let mut anonymous = {
        let url = format!("http://{}", service.started.address);
        ConfigAdminServiceClient::new(tonic::transport::Endpoint::from_shared(url).unwrap().connect_lazy())
    };
    let mut deny = |who: &'static str, what: &'static str, refused: Option<tonic::Status>| {
        denied.push((who, what, refused.unwrap_or_else(|| panic!("{what} by {who} is not refused"))));
    };
    deny("", "GetAuditHead", anonymous.get_audit_head(GetAuditHeadRequest {}).await.err());

    let mut sender = service.admin("sender");
    let create = CreateOrganizationRequest { name: other(), ..Default::default() };
    deny("sender", "CreateOrganization", sender.create_organization(create).await.err());

    let who = "operator-of-acme";
    let mut limited = service.admin(who);
    deny(
        who,
        "GetOrganization",
        limited.get_organization(GetOrganizationRequest { organization_id: other() }).await.err(),
    );
    let list = ListProviderConfigsRequest { organization_id: other() };
    deny(who, "ListProviderConfigs", limited.list_provider_configs(list).await.err());
    let (organization_id, provider) = cloudmsg_of_other();
    let get = GetProviderConfigRequest { organization_id, provider };
    deny(who, "GetProviderConfig", limited.get_provider_config(get).await.err());
    deny(who, "GetRouting", limited.get_routing(GetRoutingRequest { organization_id: other() }).await.err());
    let create = steps::create("other", "cloudmsg", cloudmsg());
    deny(who, "CreateProviderConfig", limited.create_provider_config(create).await.err());
    let (organization_id, provider) = cloudmsg_of_other();
    let update = UpdateProviderConfigRequest { organization_id, provider, version: 1, ..Default::default() };
    deny(who, "UpdateProviderConfig", limited.update_provider_config(update).await.err());
    let (organization_id, provider) = cloudmsg_of_other();
    let delete = DeleteProviderConfigRequest { organization_id, provider, version: 1, ..Default::default() };
    deny(who, "DeleteProviderConfig", limited.delete_provider_config(delete).await.err());
    let route =
        UpdateRoutingRequest { organization_id: other(), routing: Some(Routing::default()), ..Default::default() };
    deny(who, "UpdateRouting", limited.update_routing(route).await.err());
    let (organization_id, provider) = cloudmsg_of_other();
    let test = TestConnectionRequest { organization_id, provider, ..Default::default() };
    deny(who, "TestConnection", limited.test_connection(test).await.err());
    let rename =
        UpdateOrganizationRequest { organization_id: other(), name: other(), version: 1, ..Default::default() };
    deny(who, "UpdateOrganization", limited.update_organization(rename).await.err());

    let forced =
        CreateProviderConfigRequest { skip_connection_test: true, ..steps::create("other", "cloudmsg", cloudmsg()) };
    deny("operator", "CreateProviderConfig", service.admin("operator").create_provider_config(forced).await.err());

    let who = "auditor-of-acme";
    let mut limited = service.admin(who);
    let list = ListAuditEventsRequest { organization_id: other(), ..Default::default() };
    deny(who, "ListAuditEvents", limited.list_audit_events(list).await.err());
    let verify = VerifyAuditTrailRequest { known_head: None };
    deny(who, "VerifyAuditTrail", limited.verify_audit_trail(verify).await.err());
    deny(who, "GetAuditHead", limited.get_audit_head(GetAuditHeadRequest {}).await.err());

    let who = "dispatcher-of-acme";
    let resolve = ResolveOrganizationRequest { organization_id: other() };
    deny(who, "ResolveOrganization", service.watch(who).resolve_organization(resolve).await.err());
    let dispatcher = hello("n1", NodeKind::Dispatcher, 0, "");
    deny(who, "Watch", Subscriber::open(service, who, dispatcher.clone()).await.err());
    deny("webhook-gateway", "Watch", Subscriber::open(service, "webhook-gateway", dispatcher).await.err());
    denied
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_be_denied_is_told() {
    let service = Service::start().await;
    steps::organization(&service, "other", "Other").await;
    let folder = std::sync::Arc::clone(&service.folder);
    let denied = every_denial(&service).await;
    service.stop().await;
    let service = Service::start_with(config(), folder).await;
    let everything = ListAuditEventsRequest { page_size: 1_000, ..Default::default() };
    let told = events(&service, everything).await;
    for (who, what, refused) in &denied {
        let (code, reason) = refusal(refused);
        assert!(matches!(code, Code::PermissionDenied | Code::Unauthenticated), "{what} by {who}: {refused:?}");
        let event = told
            .iter()
            .find(|event| event.actor == *who && event.action == *what)
            .unwrap_or_else(|| panic!("{what} by {who} is not told"));
        assert_eq!(event.outcome, reason, "{what} by {who}");
        assert!(event.peer.starts_with("127.0.0.1:"), "{event:?}");
        assert_eq!(event.revision, 0);
        // A call that the gate refuses was never read: of it nothing is known but its name.
        let was_read = who.ends_with("-of-acme")
            && !matches!(*what, "Watch" | "VerifyAuditTrail" | "GetAuditHead" | "UpdateOrganization");
        assert_eq!(event.organization_id == "other", was_read || *who == "operator", "{event:?}");
    }
    let outcomes = |who: &str| denied.iter().filter(|(actor, ..)| *actor == who).count();
    assert_eq!(told.iter().filter(|event| event.actor == "operator-of-acme").count(), outcomes("operator-of-acme"));
    assert_eq!(told.iter().find(|event| event.actor.is_empty()).unwrap().outcome, "TOKEN_MISSING");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_verified_against_a_head_that_was_kept() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme").await;
    let kept = head(&service).await;
    steps::organization(&service, "later", "Later").await;
    let mut admin = service.admin("auditor");
    let mut verify = async |known: Option<AuditHead>| {
        admin.verify_audit_trail(VerifyAuditTrailRequest { known_head: known }).await.map(tonic::Response::into_inner)
    };
    let plain = verify(None).await.unwrap();
    assert_eq!((plain.intact, plain.checked_count, plain.first_broken_sequence), (true, kept.count + 1, 0));
    assert!(verify(Some(kept.clone())).await.unwrap().intact);
    let longer = AuditHead { count: kept.count + 5, ..kept.clone() };
    let forged = verify(Some(longer)).await.unwrap();
    assert!(!forged.intact && forged.detail.contains("not signed"), "{forged:?}");
    let incomplete = AuditHead { hash: vec![1, 2, 3], ..kept };
    assert_eq!(verify(Some(incomplete)).await.unwrap_err().code(), Code::InvalidArgument);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_paged_newest_first() {
    let service = Service::start().await;
    for number in 0..7 {
        steps::organization(&service, &format!("org-{number}"), "Acme").await;
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let request = ListAuditEventsRequest {
            action: "CreateOrganization".to_owned(),
            page_size: 3,
            page_token: page_token.clone(),
            ..Default::default()
        };
        let page = service.admin("auditor").list_audit_events(request).await.unwrap().into_inner();
        assert!(page.audit_events.len() <= 3);
        seen.extend(page.audit_events.into_iter().map(|event| event.organization_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline);
    }
    let expected: Vec<_> = (0..7).rev().map(|number| format!("org-{number}")).collect();
    assert_eq!(seen, expected);
    service.stop().await;
}
