//! Credentials: the form, the connection test, what is kept and what is shown.

use std::{collections::HashMap, time::Duration};

use switchboard_config_service::Config;
use switchboard_proto::config::v1::{
    CreateProviderConfigRequest, GetProviderConfigRequest, GetRoutingRequest, ListProviderConfigsRequest,
    ListProvidersRequest, TestConnectionRequest, TestConnectionResponse, UpdateProviderConfigRequest,
};
use switchboard_runtime::error::reason_of;
use switchboard_vendor_sim::{Fault, FaultMatch, FaultRule, Operation, demo};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::steps;
use crate::support::{Service, cloudmsg, config, folder, pairs, refusal, sendtalk};

fn update(version: i64, credentials: HashMap<String, String>) -> UpdateProviderConfigRequest {
    UpdateProviderConfigRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        credentials,
        version,
        ..Default::default()
    }
}

fn test(credentials: HashMap<String, String>) -> TestConnectionRequest {
    TestConnectionRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        credentials,
        use_stored: false,
    }
}

async fn tested(service: &Service, request: TestConnectionRequest) -> Result<TestConnectionResponse, Status> {
    service.admin("operator").test_connection(request).await.map(tonic::Response::into_inner)
}

/// Every check of this vendor goes wrong like this.
fn break_checks(service: &Service, fault: Fault) {
    let on = FaultMatch { operation: Some(Operation::Check), ..FaultMatch::default() };
    service.vendors().cloudmsg().add_fault(FaultRule { fault, on, times: None, skip: 0, probability: None, seed: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_is_enough_for_an_admin_screen_to_draw_itself() {
    let service = Service::start().await;
    let reply = service.admin("viewer").list_providers(ListProvidersRequest {}).await.unwrap().into_inner();
    let codes: Vec<_> = reply.providers.iter().map(|provider| provider.provider.as_str()).collect();
    assert_eq!(codes, ["cloudmsg", "sendtalk"]);
    for provider in reply.providers {
        let name = provider.name.unwrap();
        assert!(!name.ko.is_empty() && !name.en.is_empty());
        assert!(provider.channels.len() >= 3 && !provider.channels.contains(&0));
        for field in provider.form {
            let (label, help) = (field.label.unwrap(), field.help.unwrap());
            for text in [&field.key, &label.ko, &label.en, &help.ko, &help.en, &field.pattern] {
                assert!(!text.is_empty(), "{}", field.key);
            }
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_credentials_are_shown_as_far_as_the_vendor_allows_and_secrets_not_at_all() {
    let service = Service::start().await;
    let saved = steps::acme_with_cloudmsg(&service).await;
    let get = GetProviderConfigRequest { organization_id: "acme".to_owned(), provider: "cloudmsg".to_owned() };
    let shown = service.admin("viewer").get_provider_config(get).await.unwrap().into_inner().provider_config.unwrap();
    assert_eq!(Some(&shown), saved.provider_config.as_ref());
    assert_eq!((shown.provider_account.as_str(), shown.version, shown.active), ("svc-hanbit", 1, false));
    let values: Vec<_> =
        shown.fields.iter().map(|field| (field.key.as_str(), field.is_set, field.value.as_str())).collect();
    assert_eq!(
        values,
        [
            ("service_id", true, "svc-hanbit"),
            ("access_key", true, "••••0002"),
            ("secret_key", true, ""),
            ("callback_secret", true, ""),
            ("channel_id", true, "@hanbit"),
            ("default_sender", true, demo::CLOUDMSG_HANBIT.default_sender),
        ]
    );
    assert!(shown.fields.iter().all(|field| field.set_time.is_some()));
    let list = ListProviderConfigsRequest { organization_id: "acme".to_owned() };
    let listed = service.admin("viewer").list_provider_configs(list).await.unwrap().into_inner().provider_configs;
    assert_eq!(listed, [shown]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_wrong_with_credentials_is_said_at_once_in_both_languages_and_without_the_values() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme").await;
    let wrong = pairs([
        ("service_id", "no such shape"),
        ("access_key", "AK-CANARY-IN-A-VALUE!"),
        ("default_sender", "010-12"),
        ("colour", "blue"),
    ]);
    let refused = steps::save(&service, steps::create("acme", "cloudmsg", wrong)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "INVALID_CREDENTIALS_SHAPE".to_owned()));
    let details = refused.get_error_details();
    let fields: Vec<_> =
        details.bad_request().unwrap().field_violations.iter().map(|violation| violation.field.clone()).collect();
    let expected = ["service_id", "access_key", "secret_key", "callback_secret", "colour", "default_sender"];
    let mut sorted = fields.clone();
    sorted.sort_unstable();
    let mut expected: Vec<_> = expected.iter().map(|key| format!("credentials.{key}")).collect();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    let korean = details.localized_message().unwrap();
    assert_eq!(korean.locale, "ko");
    assert!(korean.message.contains("시크릿 키"), "{}", korean.message);
    assert!(!format!("{refused:?}").contains("CANARY"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_keeps_what_is_left_out_and_an_outdated_one_learns_the_version() {
    let service = Service::start().await;
    steps::acme_with_cloudmsg(&service).await;
    let mut admin = service.admin("operator");
    let changed = pairs([("channel_id", ""), ("default_sender", demo::CLOUDMSG_HANBIT.other_sender)]);
    let updated = admin.update_provider_config(update(1, changed)).await.unwrap().into_inner();
    let config = updated.provider_config.unwrap();
    assert_eq!(config.version, 2);
    let field = |key: &str| config.fields.iter().find(|field| field.key == key).unwrap().clone();
    assert!(!field("channel_id").is_set);
    assert_eq!(field("default_sender").value, demo::CLOUDMSG_HANBIT.other_sender);
    assert!(field("secret_key").is_set);
    assert!(field("default_sender").set_time.unwrap().seconds >= field("secret_key").set_time.unwrap().seconds);
    let lost = admin.update_provider_config(update(1, HashMap::new())).await.unwrap_err();
    assert_eq!(refusal(&lost), (Code::Aborted, "VERSION_CONFLICT".to_owned()));
    assert_eq!(lost.get_error_details().error_info().unwrap().metadata["current_version"], "2");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_with_activate_also_routes_and_one_config_a_vendor_is_enough() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme").await;
    let create = CreateProviderConfigRequest { activate: true, ..steps::create("acme", "cloudmsg", cloudmsg()) };
    let saved = steps::save(&service, create.clone()).await.unwrap();
    assert!(saved.provider_config.unwrap().active);
    let get = GetRoutingRequest { organization_id: "acme".to_owned() };
    let routing = service.admin("viewer").get_routing(get).await.unwrap().into_inner().routing.unwrap();
    assert_eq!((routing.primary.as_str(), routing.version), ("cloudmsg", 1));
    let again = steps::save(&service, create).await.unwrap_err();
    assert_eq!(refusal(&again), (Code::AlreadyExists, "PROVIDER_CONFIG_EXISTS".to_owned()));
    let nowhere = steps::save(&service, steps::create("nowhere", "cloudmsg", cloudmsg())).await.unwrap_err();
    assert_eq!(refusal(&nowhere), (Code::NotFound, "ORGANIZATION_NOT_FOUND".to_owned()));
    let pigeon = steps::save(&service, steps::create("acme", "pigeon", cloudmsg())).await.unwrap_err();
    assert_eq!(refusal(&pigeon), (Code::NotFound, "PROVIDER_UNKNOWN".to_owned()));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_tells_wrong_credentials_a_suspended_account_an_unreachable_and_a_slow_vendor_apart() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme").await;
    let good = tested(&service, test(cloudmsg())).await.unwrap();
    assert!(good.ok && good.failure.is_none() && !good.connection_test_token.is_empty());
    assert!(good.latency.is_some());

    let mut wrong = cloudmsg();
    wrong.insert("secret_key".to_owned(), "another-secret-key".to_owned());
    let wrong = tested(&service, test(wrong)).await.unwrap();
    let failure = wrong.failure.unwrap();
    assert!(!wrong.ok && wrong.connection_test_token.is_empty());
    assert_eq!((failure.code.as_str(), failure.provider_code.as_str()), ("CREDENTIALS_REJECTED", "200"));

    let account = demo::CLOUDMSG_HANBIT.service_id;
    let suspend = |status: &str| {
        let change = serde_json::json!({ "status": status });
        service.vendors().cloudmsg().merge_account(account, change).unwrap();
    };
    suspend("SUSPENDED");
    let suspended = tested(&service, test(cloudmsg())).await.unwrap().failure.unwrap();
    assert_eq!(suspended.code, "CREDENTIALS_REJECTED");
    assert_ne!((&suspended.provider_code, &suspended.detail), (&failure.provider_code, &failure.detail));
    assert!(suspended.detail.to_lowercase().contains("suspended"), "{}", suspended.detail);
    suspend("ACTIVE");

    break_checks(&service, Fault::Hang { accept: false });
    let slow = tested(&service, test(cloudmsg())).await.unwrap().failure.unwrap();
    assert_eq!(slow.code, "PROVIDER_TIMEOUT");
    service.vendors().cloudmsg().clear_faults();
    break_checks(&service, Fault::Html { accept: false, status: 502 });
    let down = tested(&service, test(cloudmsg())).await.unwrap().failure.unwrap();
    assert_eq!(down.code, "PROVIDER_UNAVAILABLE");
    service.vendors().cloudmsg().clear_faults();
    break_checks(&service, Fault::Reset { accept: false });
    let unreachable = tested(&service, test(cloudmsg())).await.unwrap().failure.unwrap();
    assert_eq!(unreachable.code, "PROVIDER_UNAVAILABLE");
    service.vendors().cloudmsg().clear_faults();
    assert!(service.vendors().cloudmsg().messages().is_empty(), "a test never sends a message");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_credentials_are_tested_alone_or_with_fields_replaced() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme").await;
    let nothing = tested(&service, test(HashMap::new())).await.unwrap_err();
    assert_eq!(refusal(&nothing), (Code::NotFound, "PROVIDER_CONFIG_NOT_FOUND".to_owned()));
    steps::save(&service, steps::create("acme", "cloudmsg", cloudmsg())).await.unwrap();
    assert!(tested(&service, test(HashMap::new())).await.unwrap().ok);
    let replaced = pairs([("secret_key", "another-secret-key")]);
    let partly = TestConnectionRequest { use_stored: true, ..test(replaced.clone()) };
    assert!(!tested(&service, partly).await.unwrap().ok);
    let alone = tested(&service, test(replaced)).await.unwrap_err();
    assert_eq!(reason_of(&alone).as_deref(), Some("INVALID_CREDENTIALS_SHAPE"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_needs_a_passed_test_and_a_token_proves_exactly_what_was_tested() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme").await;
    steps::organization(&service, "other", "Other").await;
    let mut wrong = cloudmsg();
    wrong.insert("secret_key".to_owned(), "another-secret-key".to_owned());
    let refused = steps::save(&service, steps::create("acme", "cloudmsg", wrong.clone())).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::FailedPrecondition, "CONNECTION_TEST_FAILED".to_owned()));
    let info = refused.get_error_details().error_info().unwrap().clone();
    assert_eq!(info.metadata["code"], "CREDENTIALS_REJECTED");
    assert_eq!(info.metadata["provider_code"], "200");

    let token = tested(&service, test(cloudmsg())).await.unwrap().connection_test_token;
    // From now on no test passes: what is saved is saved by the token.
    break_checks(&service, Fault::Unauthorized);
    let save = |organization: &str, credentials: HashMap<String, String>| {
        let create = steps::create(organization, "cloudmsg", credentials);
        let create = CreateProviderConfigRequest { connection_test_token: token.clone(), ..create };
        steps::save(&service, create)
    };
    let failed = (Code::FailedPrecondition, "CONNECTION_TEST_FAILED".to_owned());
    assert_eq!(refusal(&save("other", cloudmsg()).await.unwrap_err()), failed);
    assert_eq!(refusal(&save("acme", wrong).await.unwrap_err()), failed);
    save("acme", cloudmsg()).await.unwrap();
    let without = steps::save(&service, steps::create("other", "cloudmsg", cloudmsg())).await.unwrap_err();
    assert_eq!(refusal(&without), failed);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overlap_of_a_replaced_webhook_secret_is_what_the_caller_says() {
    let service = Service::start().await;
    steps::acme_with_cloudmsg(&service).await;
    let mut admin = service.admin("operator");
    let expiry = async |admin: &mut crate::support::AdminClient, request: UpdateProviderConfigRequest| {
        let config = admin.update_provider_config(request).await.unwrap().into_inner().provider_config.unwrap();
        config.fields.into_iter().find(|field| field.key == "callback_secret").unwrap().previous_expire_time
    };
    let replaced = update(1, pairs([("callback_secret", "the-next-secret")]));
    let by_default = expiry(&mut admin, replaced).await.unwrap().seconds;
    let hour = Some(prost_types::Duration { seconds: 3_600, nanos: 0 });
    let shortened = UpdateProviderConfigRequest { webhook_secret_overlap: hour, ..update(2, HashMap::new()) };
    let shortened = expiry(&mut admin, shortened).await.unwrap().seconds;
    assert!((by_default - shortened - 23 * 3_600).abs() < 60, "{by_default} {shortened}");
    let zero = Some(prost_types::Duration::default());
    let revoked = UpdateProviderConfigRequest { webhook_secret_overlap: zero, ..update(3, HashMap::new()) };
    assert_eq!(expiry(&mut admin, revoked).await, None);
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let negative = UpdateProviderConfigRequest { webhook_secret_overlap: negative, ..update(4, HashMap::new()) };
    assert_eq!(admin.update_provider_config(negative).await.unwrap_err().code(), Code::InvalidArgument);
    let millennia = Some(prost_types::Duration { seconds: 8_000 * 365 * 24 * 3_600, nanos: 0 });
    let millennia = UpdateProviderConfigRequest { webhook_secret_overlap: millennia, ..update(4, HashMap::new()) };
    let refused = admin.update_provider_config(millennia).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
    let violation = refused.get_error_details().bad_request().unwrap().field_violations[0].clone();
    assert_eq!(violation.field, "webhook_secret_overlap");
    assert!(violation.description.contains("31536000 s or less"), "{}", violation.description);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_goes_on_to_its_end_when_its_caller_hangs_up() {
    let config = Config { connection_test_timeout: Duration::from_secs(5), ..config() };
    let service = Service::start_with(config, folder()).await;
    steps::organization(&service, "acme", "Acme").await;
    break_checks(&service, Fault::Delay { ms: 300, accept_first: true });
    let mut request = tonic::Request::new(steps::create("acme", "cloudmsg", cloudmsg()));
    request.set_timeout(Duration::from_millis(50));
    let gone = service.admin("operator").create_provider_config(request).await.unwrap_err();
    assert!(matches!(gone.code(), Code::Cancelled | Code::DeadlineExceeded), "{gone:?}");
    let deadline = tokio::time::Instant::now() + crate::support::SOON;
    let get = GetProviderConfigRequest { organization_id: "acme".to_owned(), provider: "cloudmsg".to_owned() };
    while service.admin("viewer").get_provider_config(get.clone()).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "what was begun was not finished");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_vendors_credentials_are_taken_as_their_documents_say() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme").await;
    steps::save(&service, steps::create("acme", "cloudmsg", cloudmsg())).await.unwrap();
    let saved = steps::save(&service, steps::create("acme", "sendtalk", sendtalk())).await.unwrap();
    let config = saved.provider_config.unwrap();
    assert_eq!(config.provider_account, demo::SENDTALK_HANBIT.account_id);
    let secret: Vec<_> = config.fields.iter().filter(|field| field.value.is_empty()).map(|f| f.key.as_str()).collect();
    assert_eq!(secret, ["api_key", "webhook_secret", "sender_profile_key"]);
    service.stop().await;
}
