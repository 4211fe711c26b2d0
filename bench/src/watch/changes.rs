//! Changes of routing, one after the other.

use std::time::Duration;

use switchboard_proto::config::v1::{Routing, UpdateRoutingRequest};
use switchboard_runtime::{error::describe, wire::from_std_duration};

use crate::switchboard::Admin;

/// Changes one organisation to and fro between its own account and the platform default.
pub(super) struct Changes {
    admin: Admin,
    organization_id: String,
    version: i64,
    own: bool,
}

impl Changes {
    /// Of an organisation that has been routed to its account once, as the bench makes them.
    pub(super) fn new(admin: Admin, organization_id: &str) -> Self {
        Self { admin, organization_id: organization_id.to_owned(), version: 1, own: true }
    }

    /// Makes the next change and returns its revision. With `wait_applied` it returns once every dispatcher that is
    /// connected has applied it.
    pub(super) async fn next(&mut self, wait_applied: Option<Duration>) -> anyhow::Result<i64> {
        self.own = !self.own;
        let primary = if self.own { "cloudmsg".to_owned() } else { String::new() };
        let request = UpdateRoutingRequest {
            organization_id: self.organization_id.clone(),
            routing: Some(Routing { primary, version: self.version, ..Routing::default() }),
            wait_applied: wait_applied.map(from_std_duration),
            ..UpdateRoutingRequest::default()
        };
        let reply = self.admin.update_routing(request).await;
        let reply = reply.map_err(|status| anyhow::anyhow!("config-service: {}", describe(&status)))?.into_inner();
        anyhow::ensure!(reply.pending_nodes.is_empty(), "not applied in time by {}", reply.pending_nodes.join(", "));
        self.version = reply.routing.map_or(0, |routing| routing.version);
        Ok(reply.revision)
    }
}
