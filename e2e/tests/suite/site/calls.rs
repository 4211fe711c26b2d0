//! Calls as outsiders make them: with the generated client and a token.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use switchboard_proto::{
    config::v1::{
        CreateOrganizationRequest, CreateProviderConfigRequest, GetRoutingRequest, Routing, UpdateRoutingRequest,
        config_admin_service_client::ConfigAdminServiceClient,
    },
    dispatch::v1::{GetMessageRequest, Message, SendSmsRequest, message_service_client::MessageServiceClient},
};
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};

use super::{eventually, token};

/// How long a call may take before its caller gives up.
const CALL: Duration = Duration::from_secs(10);

fn channel(url: &str) -> Channel {
    let endpoint = Endpoint::from_shared(url.to_owned()).unwrap();
    let endpoint = endpoint.connect_timeout(Duration::from_secs(2)).timeout(CALL);
    let alive = Duration::from_secs(2);
    endpoint.http2_keep_alive_interval(alive).keep_alive_timeout(alive).keep_alive_while_idle(true).connect_lazy()
}

fn request<T>(name: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {}", token(name)).parse().unwrap());
    request
}

/// The documented reason of an error.
pub(crate) fn reason_of(status: &Status) -> String {
    // google.rpc.ErrorInfo begins with its reason: field 1, length, text.
    let details = status.details();
    let found = details.windows(9).position(|window| window == b"ErrorInfo").map(|at| &details[at + 9..]);
    let words = found.map(String::from_utf8_lossy).unwrap_or_default();
    let word = words.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_').find(|word| word.len() > 3);
    word.unwrap_or_default().to_owned()
}

/// Somebody who sends and reads: each call goes to the next dispatcher.
#[derive(Clone)]
pub(crate) struct Caller {
    name: &'static str,
    dispatchers: Arc<[MessageServiceClient<Channel>]>,
    next: Arc<AtomicUsize>,
}

impl Caller {
    pub(crate) fn new(urls: &[String], name: &'static str) -> Self {
        let dispatchers = urls.iter().map(|url| MessageServiceClient::new(channel(url))).collect();
        Self { name, dispatchers, next: Arc::default() }
    }

    fn dispatcher(&self) -> MessageServiceClient<Channel> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.dispatchers[next % self.dispatchers.len()].clone()
    }

    /// Sends a text once.
    pub(crate) async fn send(&self, organization: &str, request_id: &str, to: &str) -> Result<Message, Status> {
        let sms = SendSmsRequest {
            organization_id: organization.to_owned(),
            request_id: request_id.to_owned(),
            to: to.to_owned(),
            text: format!("인증번호 {}", request_id.len()),
            ..SendSmsRequest::default()
        };
        Ok(self.dispatcher().send_sms(request(self.name, sms)).await?.into_inner().message.unwrap())
    }

    /// Sends a text, and again with the same request id for as long as nobody takes it.
    pub(crate) async fn send_until_taken(&self, organization: &str, request_id: &str, to: &str) -> Message {
        eventually(&format!("{request_id} is taken"), async || self.send(organization, request_id, to).await.ok()).await
    }

    /// A message, asked for once.
    pub(crate) async fn look(&self, message_id: &str) -> Result<Option<Message>, Status> {
        let asked = GetMessageRequest { message_id: message_id.to_owned() };
        match self.dispatcher().get_message(request(self.name, asked)).await {
            Ok(answer) => Ok(answer.into_inner().message),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// A message; `None`: there is none of this id.
    pub(crate) async fn message(&self, message_id: &str) -> Option<Message> {
        eventually("the history answers", async || self.look(message_id).await.ok()).await
    }
}

/// Somebody who administers, as superadmin.
#[derive(Clone)]
pub(crate) struct Admin {
    client: ConfigAdminServiceClient<Channel>,
}

impl Admin {
    pub(super) fn new(url: &str) -> Self {
        Self { client: ConfigAdminServiceClient::new(channel(url)) }
    }

    /// Makes an organisation, once somebody is there to do it.
    pub(crate) async fn organization(&self, id: &str) {
        let wanted = CreateOrganizationRequest {
            organization_id: id.to_owned(),
            name: format!("{id} 상사"),
            ..CreateOrganizationRequest::default()
        };
        eventually(&format!("the organisation {id} is made"), async || {
            match self.client.clone().create_organization(request("superadmin", wanted.clone())).await {
                Err(status) if status.code() != Code::AlreadyExists => None,
                _ => Some(()),
            }
        })
        .await;
    }

    /// Stores credentials and routes the organisation there.
    pub(crate) async fn account(&self, id: &str, provider: &str, credentials: Vec<(&'static str, String)>) {
        let wanted = CreateProviderConfigRequest {
            organization_id: id.to_owned(),
            provider: provider.to_owned(),
            credentials: credentials.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            activate: true,
            ..CreateProviderConfigRequest::default()
        };
        eventually(&format!("{id} has an account with {provider}"), async || {
            match self.client.clone().create_provider_config(request("superadmin", wanted.clone())).await {
                Err(status) if status.code() != Code::AlreadyExists => None,
                _ => Some(()),
            }
        })
        .await;
    }

    /// Routes an organisation to a vendor.
    pub(crate) async fn route(&self, id: &str, provider: &str) -> Result<i64, Status> {
        let asked = GetRoutingRequest { organization_id: id.to_owned() };
        let now = self.client.clone().get_routing(request("superadmin", asked)).await?.into_inner();
        let version = now.routing.unwrap_or_default().version;
        let routing = Routing { primary: provider.to_owned(), version, ..Routing::default() };
        let change = UpdateRoutingRequest {
            organization_id: id.to_owned(),
            routing: Some(routing),
            ..UpdateRoutingRequest::default()
        };
        Ok(self.client.clone().update_routing(request("superadmin", change)).await?.into_inner().revision)
    }
}
