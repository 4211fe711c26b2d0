//! `switchboard health`: the readiness of a service of this machine as an exit code, for what cannot ask over HTTP.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    output,
    settings::{Settings, reachable},
};

/// How long the service may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest answer that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

pub(crate) const EXAMPLES: &str = "\
Examples:
  switchboard health dispatcher          ready? what it says is printed
  switchboard health dispatcher --live   does it answer at all?";

/// Which service, and what of it.
#[derive(Args, Debug)]
pub struct Health {
    /// The service, found by its setting metrics_listen
    #[arg(value_enum)]
    service: Which,
    /// Whether it answers at all, ready or not
    #[arg(long)]
    live: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    ConfigService,
    Dispatcher,
    WebhookGateway,
}

impl Health {
    /// Asks.
    ///
    /// # Errors
    /// What the service says when it is not ready, or why it cannot be asked.
    pub async fn run(self, settings: &Settings) -> anyhow::Result<()> {
        let (key, address) = match self.service {
            Which::ConfigService => ("config_service", settings.config_service.metrics_listen),
            Which::Dispatcher => ("dispatcher", settings.dispatcher.metrics_listen),
            Which::WebhookGateway => ("webhook_gateway", settings.webhook_gateway.metrics_listen),
        };
        let address = reachable(address.address());
        let path = if self.live { "/healthz" } else { "/readyz" };
        let asked = timeout(PATIENCE, get(address, path)).await.unwrap_or_else(|_| anyhow::bail!("no answer in time"));
        let (status, answer) = asked.with_context(|| format!("nobody answers on {address} ({key}.metrics_listen)"))?;
        anyhow::ensure!(status.is_success(), "not ready: {answer}");
        output::line(answer)?;
        Ok(())
    }
}

async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(StatusCode, String)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header(http::header::HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    // Owns the sender: the connection ends with it.
    let exchange = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&body).trim().to_owned()))
    };
    // When the connection breaks, the exchange says so.
    tokio::join!(exchange, connection).0
}
