//! `ConfigWatchService`.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::{Stream, StreamExt as _, stream};
use switchboard_proto::config::v1::{
    self as proto, config_watch_service_server::ConfigWatchService, watch_request::Request as Said,
};
use switchboard_runtime::{Lifecycle, SharedClock, auth::Role};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    caller::{Limits, caller},
    convert,
    error::{ended, status},
};
use crate::{
    attempt::Caller,
    audit::Denials,
    error::{Error, Violation},
    watch::{Ended, Heard, Hub, NodeKind, Nodes, Resume, Subscription},
};

/// Messages on their way into the connection. What waits beyond that waits in the hub's queue.
const OUTBOX: usize = 4;
/// How long a subscriber may take to say who it is.
const HELLO: Duration = Duration::from_secs(10);
const LONGEST_NODE_ID: usize = 128;
const LONGEST_REASON: usize = 500;

/// The service. Clones share everything.
#[derive(Clone)]
pub struct Watch {
    /// Where changes come from.
    pub hub: Hub,
    /// Who subscribes.
    pub nodes: Nodes,
    /// Who hears of what is refused.
    pub denials: Denials,
    /// What time it is.
    pub clock: SharedClock,
    /// Where streams live.
    pub lifecycle: Lifecycle,
}

impl Watch {
    fn limits<'a>(&'a self, caller: &'a Caller, action: &'static str) -> Limits<'a> {
        Limits { denials: &self.denials, caller, action }
    }
}

type Responses = Pin<Box<dyn Stream<Item = Result<proto::WatchResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ConfigWatchService for Watch {
    type WatchStream = Responses;

    async fn watch(&self, request: Request<Streaming<proto::WatchRequest>>) -> Result<Response<Responses>, Status> {
        let caller = caller(&request)?;
        // A node that lacked some organisations would serve them by the platform default.
        let limits = self.limits(&caller, "Watch");
        limits.everything()?;
        let mut requests = request.into_inner();
        let first = timeout(HELLO, requests.message()).await;
        let first = first.map_err(|_| ended(&Ended::Misbehaved("no hello has come within 10 s")))?;
        let hello = match first?.and_then(|request| request.request) {
            Some(Said::Hello(hello)) => hello,
            _ => return Err(ended(&Ended::Misbehaved("the first request of a stream is a hello"))),
        };
        let kind = introduced(&hello, &limits)?;
        let resume = Resume { revision: hello.resume_revision, epoch: hello.resume_epoch };
        let (out, deliveries) = mpsc::channel(OUTBOX);
        let node = self.nodes.enter(&hello.node_id, kind, self.hub.already_applied(&resume));
        let subscription = Subscription::new(self.hub.clone(), node, kind, resume, out);
        let end = Arc::new(OnceLock::new());
        let (why, draining) = (Arc::clone(&end), self.lifecycle.draining());
        // Not awaited: it ends when its subscriber does, or when this process drains.
        drop(self.lifecycle.spawn_detached("watch", async move {
            let ended = draining.run_until_cancelled(subscription.run(heard(requests))).await;
            let _ = why.set(ended.unwrap_or(Ended::Draining));
            drop(subscription);
        }));
        let clock = Arc::clone(&self.clock);
        let responses = ReceiverStream::new(deliveries)
            .map(move |delivery| Ok(convert::watch_response(delivery, kind, clock.now())))
            .chain(stream::once(async move { Err(ended(end.get().unwrap_or(&Ended::Draining))) }));
        Ok(Response::new(Box::pin(responses)))
    }

    async fn resolve_organization(
        &self,
        request: Request<proto::ResolveOrganizationRequest>,
    ) -> Result<Response<proto::ResolveOrganizationResponse>, Status> {
        let caller = caller(&request)?;
        let organization_id = request.into_inner().organization_id;
        self.limits(&caller, "ResolveOrganization").organization(&organization_id)?;
        let kind =
            if caller.principal.has_any(&[Role::Dispatcher]) { NodeKind::Dispatcher } else { NodeKind::WebhookGateway };
        let (entry, position) = self.hub.resolve(&organization_id).await.map_err(|error| status(error.into()))?;
        Ok(Response::new(proto::ResolveOrganizationResponse {
            entry: entry.and_then(|entry| convert::changed(&entry, kind, self.clock.now())),
            revision: position.revision,
            epoch: position.epoch,
        }))
    }
}

/// Checks a hello: what the node says it is must fit the role of its token.
fn introduced(hello: &proto::Hello, limits: &Limits<'_>) -> Result<NodeKind, Status> {
    let mut violations = Vec::new();
    if hello.node_id.is_empty() || hello.node_id.len() > LONGEST_NODE_ID || hello.node_id.chars().any(char::is_control)
    {
        violations.push(Violation::new("hello.node_id", "must be 1 to 128 characters"));
    }
    if hello.resume_revision < 0 {
        violations.push(Violation::new("hello.resume_revision", "must not be negative; 0 means none"));
    }
    let Some(kind) = convert::read_node_kind(hello.kind) else {
        let rule = "must be NODE_KIND_DISPATCHER or NODE_KIND_WEBHOOK_GATEWAY";
        violations.push(Violation::new("hello.kind", rule));
        return Err(status(Error::Invalid(violations)));
    };
    let role = match kind {
        NodeKind::Dispatcher => Role::Dispatcher,
        NodeKind::WebhookGateway => Role::WebhookGateway,
    };
    if !limits.caller.principal.has_any(&[role]) {
        return Err(limits.refuse("", Error::RoleRequired { what: "a stream of this kind", role: role.as_str() }));
    }
    if violations.is_empty() { Ok(kind) } else { Err(status(Error::Invalid(violations))) }
}

/// What a subscriber says after its hello.
fn heard(requests: Streaming<proto::WatchRequest>) -> impl Stream<Item = Heard> + Send + Unpin {
    requests.map(|request| match request.map(|request| request.request) {
        Ok(Some(Said::Ack(ack))) => Heard::Ack(ack.revision),
        Ok(Some(Said::Nack(nack))) => Heard::Nack(nack.revision, nack.reason.chars().take(LONGEST_REASON).collect()),
        Ok(Some(Said::Hello(_))) => Heard::Nonsense("only the first request of a stream is a hello"),
        // Of a newer version than this one.
        Ok(None) => Heard::Nothing,
        Err(_) => Heard::Broken,
    })
}
