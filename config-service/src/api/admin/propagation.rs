//! Who has applied a revision.

use switchboard_proto::config::v1 as proto;
use tonic::{Request, Response};

use super::{Admin, Reply};
use crate::{
    api::{convert, error::status},
    error::{Error, Violation},
};

impl Admin {
    pub(super) async fn propagation_of(
        &self,
        request: Request<proto::GetPropagationRequest>,
    ) -> Reply<proto::GetPropagationResponse> {
        let asked = request.into_inner().revision;
        let current = self.hub.store_position().await.map_err(|error| status(error.into()))?.revision;
        if asked < 0 || asked > current {
            let what = format!("must be 0 (for the current one) to {current}, which is the current one");
            return Err(status(Error::Invalid(vec![Violation::new("revision", what)])));
        }
        let revision = if asked == 0 { current } else { asked };
        let nodes = self.propagation.nodes().await.map_err(|error| status(error.into()))?;
        Ok(Response::new(proto::GetPropagationResponse {
            revision,
            current_revision: current,
            nodes: nodes.into_iter().map(|node| convert::node(node, revision)).collect(),
        }))
    }
}
