//! Routing.

use switchboard_proto::config::v1 as proto;
use tonic::{Request, Response};

use super::{Admin, Applied, Reply};
use crate::{
    api::{
        caller::{Conditions, attempt, caller},
        convert,
        error::status,
    },
    error::Error,
};

impl Admin {
    pub(super) async fn routing(&self, request: Request<proto::GetRoutingRequest>) -> Reply<proto::GetRoutingResponse> {
        let organization_id = &request.get_ref().organization_id;
        self.limits(&caller(&request)?, "GetRouting").organization(organization_id)?;
        let routing = self.routes.get(organization_id).await.map_err(status)?;
        Ok(Response::new(proto::GetRoutingResponse { routing: Some(convert::routing(routing)) }))
    }

    pub(super) async fn reroute(
        &self,
        request: Request<proto::UpdateRoutingRequest>,
    ) -> Reply<proto::UpdateRoutingResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let conditions = Conditions {
            request_id: request.request_id,
            validate_only: request.validate_only,
            wait_applied: request.wait_applied,
        };
        let mut attempt = attempt(caller, "UpdateRouting", request.organization_id, conditions);
        if let Some(routing) = &request.routing {
            attempt.0.provider.clone_from(&routing.primary);
        }
        let routing = convert::read_routing(request.routing);
        let Applied { value, revision, pending_nodes } = self
            .carry_out(attempt, move |admin, attempt| async move {
                admin.routes.replace(&attempt, &routing.map_err(Error::Invalid)?).await
            })
            .await?;
        let routing = Some(convert::routing(value));
        Ok(Response::new(proto::UpdateRoutingResponse { routing, revision, pending_nodes }))
    }
}
