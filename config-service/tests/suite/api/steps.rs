//! What most tests begin with.

use std::collections::HashMap;

use switchboard_proto::config::v1::{
    CreateOrganizationRequest, CreateProviderConfigRequest, CreateProviderConfigResponse, Organization, Routing,
    UpdateRoutingRequest, UpdateRoutingResponse,
};
use tonic::Status;

use crate::support::{Service, cloudmsg};

pub async fn organization(service: &Service, id: &str, name: &str) -> Organization {
    let request =
        CreateOrganizationRequest { organization_id: id.to_owned(), name: name.to_owned(), ..Default::default() };
    let reply = service.admin("superadmin").create_organization(request).await.unwrap();
    reply.into_inner().organization.unwrap()
}

pub fn create(organization: &str, provider: &str, credentials: HashMap<String, String>) -> CreateProviderConfigRequest {
    CreateProviderConfigRequest {
        organization_id: organization.to_owned(),
        provider: provider.to_owned(),
        credentials,
        ..Default::default()
    }
}

pub async fn save(
    service: &Service,
    request: CreateProviderConfigRequest,
) -> Result<CreateProviderConfigResponse, Status> {
    service.admin("operator").create_provider_config(request).await.map(tonic::Response::into_inner)
}

/// The organisation `acme` with credentials for CloudMsg.
pub async fn acme_with_cloudmsg(service: &Service) -> CreateProviderConfigResponse {
    organization(service, "acme", "Acme").await;
    save(service, create("acme", "cloudmsg", cloudmsg())).await.unwrap()
}

pub async fn route(service: &Service, organization: &str, routing: Routing) -> Result<UpdateRoutingResponse, Status> {
    let request =
        UpdateRoutingRequest { organization_id: organization.to_owned(), routing: Some(routing), ..Default::default() };
    service.admin("operator").update_routing(request).await.map(tonic::Response::into_inner)
}
