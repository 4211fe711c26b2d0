//! Organisations: created, renamed, found.

use switchboard_proto::config::v1::{
    CreateOrganizationRequest, GetOrganizationRequest, ListOrganizationsRequest, ListOrganizationsResponse,
    UpdateOrganizationRequest,
};
use switchboard_runtime::error::reason_of;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::steps;
use crate::support::{Service, cloudmsg, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_default_is_there_from_the_start() {
    let service = Service::start().await;
    let request = GetOrganizationRequest { organization_id: "default".to_owned() };
    let found = service.admin("viewer").get_organization(request).await.unwrap().into_inner().organization.unwrap();
    assert_eq!((found.name.as_str(), found.version, found.provider.as_str()), ("Platform default", 1, ""));
    let request = CreateOrganizationRequest {
        organization_id: "default".to_owned(),
        name: "Another".to_owned(),
        ..Default::default()
    };
    let refused = service.admin("superadmin").create_organization(request).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::AlreadyExists, "ORGANIZATION_EXISTS".to_owned()));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_is_created_renamed_and_an_outdated_rename_is_refused_with_the_current_version() {
    let service = Service::start().await;
    let mut admin = service.admin("superadmin");
    let made = CreateOrganizationRequest { name: " 서울 의원 ".to_owned(), ..Default::default() };
    let made = admin.create_organization(made).await.unwrap().into_inner();
    let organization = made.organization.unwrap();
    assert_eq!((organization.name.as_str(), organization.version), ("서울 의원", 1));
    assert_eq!(organization.organization_id.len(), 36, "{}", organization.organization_id);
    assert!(made.revision > 0);

    let rename = |name: &str, version| UpdateOrganizationRequest {
        organization_id: organization.organization_id.clone(),
        name: name.to_owned(),
        version,
        ..Default::default()
    };
    let renamed = admin.update_organization(rename("서울 병원", 1)).await.unwrap().into_inner();
    assert_eq!(renamed.organization.unwrap().version, 2);
    assert_eq!(renamed.revision, made.revision + 1);

    let refused = admin.update_organization(rename("부산 병원", 1)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Aborted, "VERSION_CONFLICT".to_owned()));
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().metadata["current_version"], "2");
    let korean = details.localized_message().unwrap();
    assert_eq!(korean.locale, "ko");
    assert!(korean.message.contains("다시 불러"), "{}", korean.message);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_wrong_with_a_new_organisation_is_said_at_once() {
    let service = Service::start().await;
    let request = CreateOrganizationRequest {
        organization_id: "Not An Id".to_owned(),
        name: " ".to_owned(),
        ..Default::default()
    };
    let refused = service.admin("superadmin").create_organization(request).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "INVALID_FIELD".to_owned()));
    let details = refused.get_error_details();
    let fields: Vec<_> =
        details.bad_request().unwrap().field_violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["organization_id", "name"]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_checks_all_and_changes_nothing() {
    let service = Service::start().await;
    let mut admin = service.admin("superadmin");
    let request = |id: &str| CreateOrganizationRequest {
        organization_id: id.to_owned(),
        name: "Acme".to_owned(),
        validate_only: true,
        ..Default::default()
    };
    let reply = admin.create_organization(request("acme")).await.unwrap().into_inner();
    assert_eq!((reply.revision, reply.organization.unwrap().organization_id.as_str()), (0, "acme"));
    let refused = admin.create_organization(request("default")).await.unwrap_err();
    assert_eq!(reason_of(&refused).as_deref(), Some("ORGANIZATION_EXISTS"));
    let request = GetOrganizationRequest { organization_id: "acme".to_owned() };
    let refused = admin.get_organization(request).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, "ORGANIZATION_NOT_FOUND".to_owned()));
    service.stop().await;
}

async fn list(service: &Service, request: ListOrganizationsRequest) -> ListOrganizationsResponse {
    service.admin("viewer").list_organizations(request).await.unwrap().into_inner()
}

fn ids(reply: &ListOrganizationsResponse) -> Vec<&str> {
    reply.organizations.iter().map(|organization| organization.organization_id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn organisations_are_found_by_part_of_name_or_id_and_by_their_mapping() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme Clinic").await;
    steps::organization(&service, "seoul-1", "서울 연세의원").await;
    let create = steps::create("acme", "cloudmsg", cloudmsg());
    let create = switchboard_proto::config::v1::CreateProviderConfigRequest { activate: true, ..create };
    steps::save(&service, create).await.unwrap();

    let query = |query: &str| ListOrganizationsRequest { query: query.to_owned(), ..Default::default() };
    for (text, expected) in [
        ("", vec!["acme", "default", "seoul-1"]),
        ("CLIN", vec!["acme"]),
        ("연세", vec!["seoul-1"]),
        ("\u{110b}\u{1167}\u{11ab}\u{1109}\u{1166}", vec!["seoul-1"]),
        ("oul-", vec!["seoul-1"]),
        ("%", vec![]),
    ] {
        let reply = list(&service, query(text)).await;
        assert_eq!(ids(&reply), expected, "{text}");
        assert_eq!(usize::try_from(reply.total_size).unwrap(), expected.len());
    }
    let routed = ListOrganizationsRequest { provider: "cloudmsg".to_owned(), ..Default::default() };
    assert_eq!(ids(&list(&service, routed).await), ["acme"]);
    let unmapped = ListOrganizationsRequest { unmapped: true, ..Default::default() };
    assert_eq!(ids(&list(&service, unmapped).await), ["default", "seoul-1"]);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_stay_stable_while_organisations_come_and_a_token_fits_its_query_only() {
    let service = Service::start().await;
    for number in 0..5 {
        steps::organization(&service, &format!("org-{number}"), &format!("이름 {}", 9 - number)).await;
    }
    let page = |page_token: String| ListOrganizationsRequest {
        query: "org".to_owned(),
        order_by: "name".to_owned(),
        page_size: 2,
        page_token,
        ..Default::default()
    };
    let first = list(&service, page(String::new())).await;
    assert_eq!((ids(&first), first.total_size), (vec!["org-4", "org-3"], 5));
    steps::organization(&service, "org-early", "가").await;
    let second = list(&service, page(first.next_page_token.clone())).await;
    assert_eq!((ids(&second), second.total_size), (vec!["org-2", "org-1"], 6));
    let third = list(&service, page(second.next_page_token.clone())).await;
    assert_eq!((ids(&third), third.next_page_token.as_str()), (vec!["org-0"], ""));

    let other = ListOrganizationsRequest { query: "other".to_owned(), ..page(first.next_page_token) };
    let refused = service.admin("viewer").list_organizations(other).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned()));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_caller_sees_and_names_its_own_organisations_only() {
    let service = Service::start().await;
    steps::organization(&service, "acme", "Acme").await;
    steps::organization(&service, "other", "Other").await;
    let mut limited = service.admin("operator-of-acme");
    let reply = limited.list_organizations(ListOrganizationsRequest::default()).await.unwrap().into_inner();
    assert_eq!((ids(&reply), reply.total_size), (vec!["acme"], 1));
    for organization in ["other", "nowhere", "Not An Id"] {
        let request = GetOrganizationRequest { organization_id: organization.to_owned() };
        let refused = limited.get_organization(request).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::PermissionDenied, "ROLE_REQUIRED".to_owned()), "{organization}");
    }
    service.stop().await;
}
