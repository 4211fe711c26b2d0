//! Vendors and credentials.

use std::time::Duration;

use prost_types::Duration as ProtoDuration;
use switchboard_proto::config::v1 as proto;
use tonic::{Request, Response};

use super::{Admin, Applied, Reply};
use crate::{
    api::{
        caller::{Conditions, attempt, caller, duration},
        convert,
        error::status,
    },
    error::{Error, Violation},
    provider_configs::{ChangedCredentials, Create, Delete, LONGEST_OVERLAP, Update},
};

impl Admin {
    pub(super) fn providers(&self) -> proto::ListProvidersResponse {
        let vendors = self.configs.registry().iter();
        proto::ListProvidersResponse { providers: vendors.map(|vendor| convert::provider(vendor.as_ref())).collect() }
    }

    pub(super) async fn configs_of(
        &self,
        request: Request<proto::ListProviderConfigsRequest>,
    ) -> Reply<proto::ListProviderConfigsResponse> {
        let organization_id = &request.get_ref().organization_id;
        self.limits(&caller(&request)?, "ListProviderConfigs").organization(organization_id)?;
        let configs = self.configs.list(organization_id).await.map_err(status)?;
        let provider_configs = configs.into_iter().filter_map(|config| {
            let vendor = self.configs.vendor(&config.provider).ok()?;
            Some(convert::provider_config(config, vendor.as_ref()))
        });
        Ok(Response::new(proto::ListProviderConfigsResponse { provider_configs: provider_configs.collect() }))
    }

    pub(super) async fn config(
        &self,
        request: Request<proto::GetProviderConfigRequest>,
    ) -> Reply<proto::GetProviderConfigResponse> {
        let proto::GetProviderConfigRequest { organization_id, provider } = request.get_ref();
        self.limits(&caller(&request)?, "GetProviderConfig").organization(organization_id)?;
        let config = self.configs.get(organization_id, provider).await.map_err(status)?;
        let vendor = self.configs.vendor(provider).map_err(status)?;
        let provider_config = Some(convert::provider_config(config, vendor.as_ref()));
        Ok(Response::new(proto::GetProviderConfigResponse { provider_config }))
    }

    pub(super) async fn create_config(
        &self,
        request: Request<proto::CreateProviderConfigRequest>,
    ) -> Reply<proto::CreateProviderConfigResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let conditions = Conditions {
            request_id: request.request_id,
            validate_only: request.validate_only,
            wait_applied: request.wait_applied,
        };
        let mut attempt = attempt(caller, "CreateProviderConfig", request.organization_id, conditions);
        attempt.0.provider.clone_from(&request.provider);
        attempt.0.forced = request.skip_connection_test;
        let create = Create {
            credentials: ChangedCredentials {
                given: convert::credentials(request.credentials),
                test_token: request.connection_test_token,
                activate: request.activate,
            },
        };
        let Applied { value, revision, pending_nodes } = self
            .carry_out(attempt, move |admin, attempt| async move { admin.configs.create(&attempt, &create).await })
            .await?;
        let vendor = self.configs.vendor(&request.provider).map_err(status)?;
        let provider_config = Some(convert::provider_config(value, vendor.as_ref()));
        Ok(Response::new(proto::CreateProviderConfigResponse { provider_config, revision, pending_nodes }))
    }

    pub(super) async fn update_config(
        &self,
        request: Request<proto::UpdateProviderConfigRequest>,
    ) -> Reply<proto::UpdateProviderConfigResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let conditions = Conditions {
            request_id: request.request_id,
            validate_only: request.validate_only,
            wait_applied: request.wait_applied,
        };
        let mut attempt = attempt(caller, "UpdateProviderConfig", request.organization_id, conditions);
        attempt.0.provider.clone_from(&request.provider);
        attempt.0.forced = request.skip_connection_test;
        let credentials = ChangedCredentials {
            given: convert::credentials(request.credentials),
            test_token: request.connection_test_token,
            activate: request.activate,
        };
        let overlap = overlap(request.webhook_secret_overlap);
        let version = request.version;
        let Applied { value, revision, pending_nodes } = self
            .carry_out(attempt, move |admin, attempt| async move {
                let overlap = overlap.map_err(|violation| Error::Invalid(vec![violation]))?;
                admin.configs.update(&attempt, &Update { credentials, version, overlap }).await
            })
            .await?;
        let vendor = self.configs.vendor(&request.provider).map_err(status)?;
        let provider_config = Some(convert::provider_config(value, vendor.as_ref()));
        Ok(Response::new(proto::UpdateProviderConfigResponse { provider_config, revision, pending_nodes }))
    }

    pub(super) async fn delete_config(
        &self,
        request: Request<proto::DeleteProviderConfigRequest>,
    ) -> Reply<proto::DeleteProviderConfigResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let conditions = Conditions {
            request_id: request.request_id,
            validate_only: request.validate_only,
            wait_applied: request.wait_applied,
        };
        let mut attempt = attempt(caller, "DeleteProviderConfig", request.organization_id, conditions);
        attempt.0.provider = request.provider;
        let delete = Delete { version: request.version, confirmed_name: request.confirm_organization_name };
        let Applied { value: (), revision, pending_nodes } = self
            .carry_out(attempt, move |admin, attempt| async move { admin.configs.delete(&attempt, &delete).await })
            .await?;
        Ok(Response::new(proto::DeleteProviderConfigResponse { revision, pending_nodes }))
    }
}

/// How long a replaced webhook secret is to stay valid, if the caller says.
fn overlap(given: Option<ProtoDuration>) -> Result<Option<Duration>, Violation> {
    const FIELD: &str = "webhook_secret_overlap";
    match duration(FIELD, given)? {
        Some(given) if given > LONGEST_OVERLAP => {
            Err(Violation::new(FIELD, format!("is longer than a year: give {} s or less", LONGEST_OVERLAP.as_secs())))
        }
        given => Ok(given),
    }
}
