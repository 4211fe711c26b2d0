//! The vendor's wire form, as far as a reference program needs it, and two clients: the thin one of the floor, and reqwest.

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};
use switchboard_proto::dispatch::v1::SendSmsRequest;

/// `POST …/messages` (CloudMsg interface document, Send).
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    from: &'a str,
    content: &'a str,
    messages: [Recipient<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recipient<'a> {
    to: &'a str,
    client_ref: &'a str,
}

/// The 202 of a send.
#[derive(Deserialize)]
struct Answer {
    messages: Vec<Accepted>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    message_id: String,
}

impl<'a> Body<'a> {
    fn new(message_id: &'a str, request: &'a SendSmsRequest) -> Self {
        let recipient = Recipient { to: &request.to, client_ref: message_id };
        Self { r#type: "SMS", from: &request.sender, content: &request.text, messages: [recipient] }
    }
}

impl Answer {
    /// The vendor's id of the one message.
    fn message_id(self) -> anyhow::Result<String> {
        Ok(self.messages.into_iter().next().context("the vendor names no message")?.message_id)
    }
}

/// Where sends go.
fn address(vendor_url: &str) -> String {
    format!("{vendor_url}/v2/services/svc-bench/messages")
}

/// Whoever brings a send to the vendor.
pub(super) trait Client: Send + Sync + 'static {
    /// Sends a message under an id of ours, and returns the vendor's id.
    fn send(&self, message_id: &str, request: &SendSmsRequest) -> impl Future<Output = anyhow::Result<String>> + Send;
}

/// reqwest, as one takes it.
pub(super) struct Usual {
    client: reqwest::Client,
    address: String,
}

impl Usual {
    pub(super) fn new(vendor_url: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().tcp_nodelay(true).build()?;
        Ok(Self { client, address: address(vendor_url) })
    }
}

impl Client for Usual {
    async fn send(&self, message_id: &str, request: &SendSmsRequest) -> anyhow::Result<String> {
        let sent = self.client.post(&self.address).json(&Body::new(message_id, request)).send().await?;
        sent.error_for_status()?.json::<Answer>().await?.message_id()
    }
}

/// A pool of HTTP/1.1 connections without anything around it.
#[derive(Clone)]
pub(super) struct Thin {
    client: legacy::Client<HttpConnector, Full<Bytes>>,
    address: http::Uri,
}

impl Thin {
    pub(super) fn new(vendor_url: &str) -> anyhow::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, address: address(vendor_url).parse()? })
    }
}

impl Client for Thin {
    async fn send(&self, message_id: &str, request: &SendSmsRequest) -> anyhow::Result<String> {
        let body = serde_json::to_vec(&Body::new(message_id, request))?;
        let request = Request::post(self.address.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let response = self.client.request(request).await?;
        anyhow::ensure!(response.status() == StatusCode::ACCEPTED, "the vendor answered {}", response.status());
        let body = response.into_body().collect().await?.to_bytes();
        serde_json::from_slice::<Answer>(&body)?.message_id()
    }
}
