//! Who may call what: every RPC of both services against every role.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::DescriptorPool;
use switchboard_config_service::api::policy;
use switchboard_proto::{
    FILE_DESCRIPTOR_SET,
    config::v1::{
        CreateProviderConfigRequest, GetAuditHeadRequest, ListAuditEventsRequest, ListProvidersRequest,
        UpdateRoutingRequest,
    },
};
use switchboard_runtime::auth::Role::{self, Auditor, Dispatcher, Operator, Superadmin, Viewer, WebhookGateway};
use tonic::{Code, Request};

use super::steps;
use crate::support::{Service, cloudmsg, refusal};

/// What each role may call, said once more and independently of the table in the service.
fn expected() -> BTreeMap<&'static str, &'static [Role]> {
    let read: &[Role] = &[Viewer, Operator, Superadmin];
    let write: &[Role] = &[Operator, Superadmin];
    let audit: &[Role] = &[Auditor, Superadmin];
    BTreeMap::from([
        ("ListProviders", read),
        ("GetOrganization", read),
        ("ListOrganizations", read),
        ("ListProviderConfigs", read),
        ("GetProviderConfig", read),
        ("GetRouting", read),
        ("GetPropagation", read),
        ("CreateOrganization", &[Superadmin]),
        ("UpdateOrganization", &[Superadmin]),
        ("CreateProviderConfig", write),
        ("UpdateProviderConfig", write),
        ("DeleteProviderConfig", write),
        ("UpdateRouting", write),
        ("TestConnection", write),
        ("ListAuditEvents", audit),
        ("VerifyAuditTrail", audit),
        ("GetAuditHead", audit),
        ("Watch", &[Dispatcher, WebhookGateway]),
        ("ResolveOrganization", &[Dispatcher, WebhookGateway]),
    ])
}

/// Every method of the contract that this service serves, by its full path.
fn methods() -> Vec<(String, String)> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services = pool.services().filter(|service| service.full_name().starts_with("switchboard.config."));
    let methods = services.flat_map(|service| {
        let service_name = service.full_name().to_owned();
        let paths = service
            .methods()
            .map(move |method| (format!("/{service_name}/{}", method.name()), method.name().to_owned()));
        paths.collect::<Vec<_>>()
    });
    methods.collect()
}

#[test]
fn every_rpc_of_the_contract_has_a_row_and_takes_exactly_the_roles_it_should() {
    let (policy, expected) = (policy::policy(), expected());
    let methods = methods();
    assert!(methods.len() >= 19);
    for (path, name) in &methods {
        let roles = expected.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no row in this test"));
        for role in Role::ALL {
            assert_eq!(policy.roles_for(path).contains(role), roles.contains(&role), "{path} {role}");
        }
    }
    let served: BTreeSet<&str> = methods.iter().map(|(path, _)| path.as_str()).collect();
    let rows: BTreeSet<&str> = policy::ROWS.iter().map(|(path, _)| *path).collect();
    assert_eq!(rows, served, "no row without its RPC");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_refuses_every_other_role_before_it_looks_at_the_request() {
    let service = Service::start().await;
    let expected = expected();
    let any = any_method(&service);
    for (path, name) in methods() {
        for (caller, role) in [
            ("viewer", Viewer),
            ("operator", Operator),
            ("superadmin", Superadmin),
            ("auditor", Auditor),
            ("sender", Role::Sender),
            ("dispatcher", Dispatcher),
            ("webhook-gateway", WebhookGateway),
        ] {
            let code = any.call(&path, Some(caller)).await;
            let allowed = expected[name.as_str()].contains(&role);
            assert_eq!(code == Code::PermissionDenied, !allowed, "{name} as {caller}: {code:?}");
        }
        assert_eq!(any.call(&path, None).await, Code::Unauthenticated, "{name} without a token");
        assert_eq!(any.call(&path, Some("nobody")).await, Code::Unauthenticated, "{name} with an unknown token");
    }
    service.stop().await;
}

/// Calls any method with a body that is no message: what answers is the gate, or the method that got past it.
struct AnyMethod {
    channel: tonic::transport::Channel,
}

fn any_method(service: &Service) -> AnyMethod {
    let url = format!("http://{}", service.started.address);
    AnyMethod { channel: tonic::transport::Endpoint::from_shared(url).unwrap().connect_lazy() }
}

impl AnyMethod {
    async fn call(&self, path: &str, caller: Option<&str>) -> Code {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let mut request = Request::new(UpdateRoutingRequest::default());
        if let Some(caller) = caller {
            let bearer = format!("Bearer {}", crate::support::token(caller)).parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
        }
        let codec = tonic_prost::ProstCodec::<UpdateRoutingRequest, ListProvidersRequest>::default();
        let path = path.parse().unwrap();
        match grpc.unary(request, path, codec).await {
            Ok(_) => Code::Ok,
            Err(status) => status.code(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn force_is_for_superadmins_alone_and_audited_as_such() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme").await;
    let mut credentials = cloudmsg();
    credentials.insert("secret_key".to_owned(), "not-what-the-vendor-knows".to_owned());
    let forced =
        CreateProviderConfigRequest { skip_connection_test: true, ..steps::create("acme", "cloudmsg", credentials) };
    let refused = steps::save(&service, forced.clone()).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::PermissionDenied, "ROLE_REQUIRED".to_owned()));
    service.admin("superadmin").create_provider_config(forced).await.unwrap();
    let request = ListAuditEventsRequest { action: "CreateProviderConfig".to_owned(), ..Default::default() };
    let events = service.admin("auditor").list_audit_events(request).await.unwrap().into_inner().audit_events;
    let told: Vec<_> =
        events.iter().map(|event| (event.actor.as_str(), event.outcome.as_str(), event.forced)).collect();
    assert_eq!(told, [("superadmin", "OK", true), ("operator", "ROLE_REQUIRED", true)]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_auditor_reads_its_organisations_and_not_the_end_of_the_whole_trail() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme").await;
    steps::organization(&service, "other", "Other").await;
    let mut limited = service.admin("auditor-of-acme");
    let events = limited.list_audit_events(ListAuditEventsRequest::default()).await.unwrap().into_inner().audit_events;
    assert!(!events.is_empty() && events.iter().all(|event| event.organization_id == "acme"));
    let refused = limited.get_audit_head(GetAuditHeadRequest {}).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::PermissionDenied, "ROLE_REQUIRED".to_owned()));
    service.stop().await;
}
