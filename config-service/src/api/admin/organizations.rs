//! Organisations.

use switchboard_proto::config::v1 as proto;
use switchboard_runtime::paging::{PageToken, page_size};
use tonic::{Request, Response, Status};

use super::{Admin, Applied, Reply};
use crate::{
    api::{
        caller::{Conditions, attempt, caller},
        convert,
        error::status,
    },
    error::{Error, Violation},
    organizations::{Filter, Listing, Order, fold},
};

const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 1_000;
const LONGEST_QUERY: usize = 200;

impl Admin {
    pub(super) async fn found(
        &self,
        request: Request<proto::CreateOrganizationRequest>,
    ) -> Reply<proto::CreateOrganizationResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let conditions = Conditions {
            request_id: request.request_id,
            validate_only: request.validate_only,
            wait_applied: request.wait_applied,
        };
        // Nobody is limited to an organisation that has not been made yet: a limited caller must name one of its own.
        let organization_id = match request.organization_id {
            empty if empty.is_empty() && caller.principal.organizations.is_none() => self.organizations.new_id(),
            chosen => chosen,
        };
        let attempt = attempt(caller, "CreateOrganization", organization_id, conditions);
        let Applied { value, revision, pending_nodes } = self
            .carry_out(attempt, move |admin, attempt| async move {
                admin.organizations.create(&attempt, &request.name).await
            })
            .await?;
        let organization = Some(convert::organization(value));
        Ok(Response::new(proto::CreateOrganizationResponse { organization, revision, pending_nodes }))
    }

    pub(super) async fn rename(
        &self,
        request: Request<proto::UpdateOrganizationRequest>,
    ) -> Reply<proto::UpdateOrganizationResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let conditions = Conditions {
            request_id: request.request_id,
            validate_only: request.validate_only,
            wait_applied: request.wait_applied,
        };
        let attempt = attempt(caller, "UpdateOrganization", request.organization_id, conditions);
        let Applied { value, revision, pending_nodes } = self
            .carry_out(attempt, move |admin, attempt| async move {
                admin.organizations.rename(&attempt, &request.name, request.version).await
            })
            .await?;
        let organization = Some(convert::organization(value));
        Ok(Response::new(proto::UpdateOrganizationResponse { organization, revision, pending_nodes }))
    }

    pub(super) async fn organization(
        &self,
        request: Request<proto::GetOrganizationRequest>,
    ) -> Reply<proto::GetOrganizationResponse> {
        let organization_id = &request.get_ref().organization_id;
        self.limits(&caller(&request)?, "GetOrganization").organization(organization_id)?;
        let organization = self.organizations.get(organization_id).await.map_err(status)?;
        Ok(Response::new(proto::GetOrganizationResponse { organization: Some(convert::organization(organization)) }))
    }

    pub(super) async fn page_of_organizations(
        &self,
        request: Request<proto::ListOrganizationsRequest>,
    ) -> Reply<proto::ListOrganizationsResponse> {
        let within = caller(&request)?.principal.organizations.map(|within| (*within).clone());
        let request = request.into_inner();
        let order = checked(&request)?;
        if !request.provider.is_empty() {
            self.configs.vendor(&request.provider).map_err(status)?;
        }
        let scope =
            format!("ListOrganizations?{:?}", (&request.query, &request.provider, request.unmapped, order, &within));
        let listing = Listing {
            filter: Filter {
                query: fold(&request.query),
                provider: request.provider,
                unmapped: request.unmapped,
                within,
            },
            order,
            after: PageToken::decode(&scope, &request.page_token)?,
            limit: page_size(request.page_size, PAGE, LARGEST_PAGE)?,
        };
        let page = self.organizations.list(&listing).await.map_err(status)?;
        let next_page_token = match page.organizations.last() {
            Some(last) if page.more => PageToken::encode(&scope, &order.cursor(last))?,
            _ => String::new(),
        };
        Ok(Response::new(proto::ListOrganizationsResponse {
            organizations: page.organizations.into_iter().map(convert::organization).collect(),
            next_page_token,
            total_size: page.total,
        }))
    }
}

fn checked(request: &proto::ListOrganizationsRequest) -> Result<Order, Status> {
    let mut violations = Vec::new();
    if request.query.chars().count() > LONGEST_QUERY {
        violations.push(Violation::new("query", format!("is longer than {LONGEST_QUERY} characters")));
    }
    if request.unmapped && !request.provider.is_empty() {
        let what = "cannot be combined with provider: an organisation without a mapping is routed to none";
        violations.push(Violation::new("unmapped", what));
    }
    let order = Order::parse(&request.order_by);
    if order.is_none() {
        let rule = "must be organization_id, name or create_time, optionally followed by \" desc\"";
        violations.push(Violation::new("order_by", rule));
    }
    match order {
        Some(order) if violations.is_empty() => Ok(order),
        _ => Err(status(Error::Invalid(violations))),
    }
}
