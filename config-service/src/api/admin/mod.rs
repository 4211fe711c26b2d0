//! `ConfigAdminService`.
//!
//! Every mutation goes through [`Admin::carry_out`]: authorise, do, audit what was refused, wake the watchers, wait for
//! the dispatchers. Once begun it goes on to its end, also when the caller hangs up: an attempt is never left unaudited.

mod audit;
mod connection_test;
mod organizations;
mod propagation;
mod provider_configs;
mod routing;

use switchboard_proto::config::v1::{self as proto, config_admin_service_server::ConfigAdminService};
use switchboard_runtime::{
    Lifecycle, SharedClock,
    error::{Problem, Reason},
};
use tonic::{Request, Response, Status};

use super::{caller::Limits, error::status};
use crate::{
    attempt::{Attempt, Caller},
    audit::{Denials, Trail},
    connection_test::Tester,
    error::Error,
    organizations::Organizations,
    provider_configs::ProviderConfigs,
    routing::Routes,
    store::Committed,
    watch::{Hub, Propagation},
};

/// The service. Clones share everything.
#[derive(Clone)]
pub struct Admin {
    /// Organisations.
    pub organizations: Organizations,
    /// Credentials.
    pub configs: ProviderConfigs,
    /// Routing.
    pub routes: Routes,
    /// The connection test.
    pub tester: Tester,
    /// The audit trail.
    pub trail: Trail,
    /// Who hears of reads that are refused.
    pub denials: Denials,
    /// Where changes go.
    pub hub: Hub,
    /// Who has applied them.
    pub propagation: Propagation,
    /// What time it is.
    pub clock: SharedClock,
    /// Where attempts go on to their end.
    pub lifecycle: Lifecycle,
}

/// A change that has been carried out.
struct Applied<T> {
    value: T,
    revision: i64,
    /// Nodes that had not applied it in time.
    pending_nodes: Vec<String>,
}

impl Admin {
    /// What a caller may read.
    fn limits<'a>(&'a self, caller: &'a Caller, action: &'static str) -> Limits<'a> {
        Limits { denials: &self.denials, caller, action }
    }

    /// Carries out a mutation.
    async fn carry_out<T, W, F>(&self, attempt: (Attempt, Result<(), Error>), work: W) -> Result<Applied<T>, Status>
    where
        T: Send + 'static,
        W: FnOnce(Self, Attempt) -> F + Send + 'static,
        F: Future<Output = Result<Committed<T>, Error>> + Send + 'static,
    {
        let wait = attempt.0.wait_applied;
        let Committed { value, revision } = self
            .to_the_end(attempt, |admin, attempt| async move {
                let committed = work(admin.clone(), attempt).await?;
                if committed.revision > 0 {
                    admin.hub.committed(committed.revision);
                }
                Ok(committed)
            })
            .await?;
        let pending_nodes =
            if wait.is_zero() || revision == 0 { Vec::new() } else { self.propagation.wait(revision, wait).await };
        Ok(Applied { value, revision, pending_nodes })
    }

    /// Authorises an attempt, does it and audits a refusal, whether or not the caller still waits.
    async fn to_the_end<T, W, F>(&self, attempt: (Attempt, Result<(), Error>), work: W) -> Result<T, Status>
    where
        T: Send + 'static,
        W: FnOnce(Self, Attempt) -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (attempt, conditions) = attempt;
        let admin = self.clone();
        let done = self.lifecycle.spawn_detached("configuration change", async move {
            let result = match attempt.authorize().and(conditions) {
                Ok(()) => work(admin.clone(), attempt.clone()).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &result {
                admin.trail.refused(&attempt, error).await;
            }
            result
        });
        match done.await {
            Ok(result) => result.map_err(status),
            Err(_) => Err(Problem::new(Reason::Internal, "a defect of this service: the log has it").into()),
        }
    }
}

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ConfigAdminService for Admin {
    async fn list_providers(&self, _: Request<proto::ListProvidersRequest>) -> Reply<proto::ListProvidersResponse> {
        Ok(Response::new(self.providers()))
    }

    async fn create_organization(
        &self,
        request: Request<proto::CreateOrganizationRequest>,
    ) -> Reply<proto::CreateOrganizationResponse> {
        self.found(request).await
    }

    async fn get_organization(
        &self,
        request: Request<proto::GetOrganizationRequest>,
    ) -> Reply<proto::GetOrganizationResponse> {
        self.organization(request).await
    }

    async fn update_organization(
        &self,
        request: Request<proto::UpdateOrganizationRequest>,
    ) -> Reply<proto::UpdateOrganizationResponse> {
        self.rename(request).await
    }

    async fn list_organizations(
        &self,
        request: Request<proto::ListOrganizationsRequest>,
    ) -> Reply<proto::ListOrganizationsResponse> {
        self.page_of_organizations(request).await
    }

    async fn list_provider_configs(
        &self,
        request: Request<proto::ListProviderConfigsRequest>,
    ) -> Reply<proto::ListProviderConfigsResponse> {
        self.configs_of(request).await
    }

    async fn get_provider_config(
        &self,
        request: Request<proto::GetProviderConfigRequest>,
    ) -> Reply<proto::GetProviderConfigResponse> {
        self.config(request).await
    }

    async fn create_provider_config(
        &self,
        request: Request<proto::CreateProviderConfigRequest>,
    ) -> Reply<proto::CreateProviderConfigResponse> {
        self.create_config(request).await
    }

    async fn update_provider_config(
        &self,
        request: Request<proto::UpdateProviderConfigRequest>,
    ) -> Reply<proto::UpdateProviderConfigResponse> {
        self.update_config(request).await
    }

    async fn delete_provider_config(
        &self,
        request: Request<proto::DeleteProviderConfigRequest>,
    ) -> Reply<proto::DeleteProviderConfigResponse> {
        self.delete_config(request).await
    }

    async fn get_routing(&self, request: Request<proto::GetRoutingRequest>) -> Reply<proto::GetRoutingResponse> {
        self.routing(request).await
    }

    async fn update_routing(
        &self,
        request: Request<proto::UpdateRoutingRequest>,
    ) -> Reply<proto::UpdateRoutingResponse> {
        self.reroute(request).await
    }

    async fn test_connection(
        &self,
        request: Request<proto::TestConnectionRequest>,
    ) -> Reply<proto::TestConnectionResponse> {
        self.test(request).await
    }

    async fn list_audit_events(
        &self,
        request: Request<proto::ListAuditEventsRequest>,
    ) -> Reply<proto::ListAuditEventsResponse> {
        self.audit_events(request).await
    }

    async fn verify_audit_trail(
        &self,
        request: Request<proto::VerifyAuditTrailRequest>,
    ) -> Reply<proto::VerifyAuditTrailResponse> {
        self.verify(request).await
    }

    async fn get_audit_head(&self, request: Request<proto::GetAuditHeadRequest>) -> Reply<proto::GetAuditHeadResponse> {
        self.audit_head(request).await
    }

    async fn get_propagation(
        &self,
        request: Request<proto::GetPropagationRequest>,
    ) -> Reply<proto::GetPropagationResponse> {
        self.propagation_of(request).await
    }
}
