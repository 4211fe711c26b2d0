//! Connections to the other services.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::header::AUTHORIZATION;
use ::http::{HeaderValue, Request, Response, Uri};
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use tonic::body::Body;
use tonic::transport::channel::ResponseFuture;
use tonic::transport::{Channel, Endpoint};
use tower::Service;
use zeroize::Zeroizing;

use super::dial::Dial;
use super::{CONNECTION_WINDOW, HEADERS, KEEPALIVE, STREAM_WINDOW};
use crate::config::ConfigError;
use crate::tls::ClientTls;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why no channel can be made. Being unable to connect is not among the reasons: that shows on the first call, and
/// every call tries again.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address is no URL of a gRPC server.
    #[error(
        "{0:?} is not the address of a gRPC server; write it like http://127.0.0.1:7002, or https://… where it speaks TLS"
    )]
    Url(String),
    /// The address is `https://`, and there is nothing to check the server's certificate against.
    #[error("{0} cannot be called over TLS: {1}")]
    Tls(String, ConfigError),
    /// The token cannot be sent.
    #[error("the token for {0} has a character that a header cannot carry; use visible ASCII only")]
    Token(String),
}

/// A connection that sends the bearer token with every call: `MessageServiceClient::new(channel)`. Clones share the
/// connection.
#[derive(Clone)]
pub struct AuthorizedChannel {
    channel: Channel,
    bearer: HeaderValue,
}

/// A channel to `url` that connects with the first call and again whenever it must. `https://` is checked against the
/// machine's authorities.
///
/// # Errors
/// [`ClientError`] when the URL or the token cannot be used.
pub fn channel(url: &str, token: SecretString) -> Result<AuthorizedChannel, ClientError> {
    channel_over(url, token, &ClientTls::default())
}

/// The same with our own authorities, and a certificate to show.
///
/// # Errors
/// [`ClientError`] when the URL or the token cannot be used, or when nothing says whom to trust.
#[expect(clippy::needless_pass_by_value, reason = "the caller's copy of the secret is wiped when this returns")]
pub fn channel_over(url: &str, token: SecretString, tls: &ClientTls) -> Result<AuthorizedChannel, ClientError> {
    authorized(url, &token, tls, KEEPALIVE)
}

fn authorized(
    url: &str,
    token: &SecretString,
    tls: &ClientTls,
    keepalive: Duration,
) -> Result<AuthorizedChannel, ClientError> {
    let value = Zeroizing::new(format!("Bearer {}", token.expose_secret()));
    let mut bearer = HeaderValue::from_str(&value).map_err(|_| ClientError::Token(url.to_owned()))?;
    bearer.set_sensitive(true);
    Ok(AuthorizedChannel { channel: connect_lazily(url, tls, keepalive)?, bearer })
}

/// A channel without a token, to something that is none of ours.
pub(crate) fn bare_channel(url: &str, tls: &ClientTls) -> Result<Channel, ClientError> {
    connect_lazily(url, tls, KEEPALIVE)
}

fn connect_lazily(url: &str, tls: &ClientTls, keepalive: Duration) -> Result<Channel, ClientError> {
    let wrong = || ClientError::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    match uri.scheme_str() {
        Some("http") => Ok(endpoint(uri, keepalive).connect_lazy()),
        Some("https") => {
            let connector = tls.connector().map_err(|error| ClientError::Tls(url.to_owned(), error))?;
            let dial = Dial::new(host, uri.port_u16().unwrap_or(443), connector).ok_or_else(wrong)?;
            // TLS is spoken by the dial; tonic, which has its own idea of it, takes the connection for a plain one.
            let authority = uri.authority().ok_or_else(wrong)?.as_str();
            let plain = format!("http://{authority}").parse().map_err(|_| wrong())?;
            Ok(endpoint(plain, keepalive).origin(uri).connect_with_connector_lazy(dial))
        }
        _ => Err(wrong()),
    }
}

fn endpoint(uri: Uri, keepalive: Duration) -> Endpoint {
    Endpoint::from(uri)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(keepalive)
        .keep_alive_timeout(keepalive)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(HEADERS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
}

impl Service<Request<Body>> for AuthorizedChannel {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().insert(AUTHORIZATION, self.bearer.clone());
        self.channel.call(request)
    }
}

impl fmt::Debug for AuthorizedChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizedChannel")
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;

    #[tokio::test]
    async fn a_peer_that_goes_silent_is_given_up() {
        // Takes the connection, greets with empty HTTP/2 settings, then reads and says nothing more: half-open, as
        // seen from the client.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let silent = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            std::future::pending::<()>().await;
        };
        let token = SecretString::from("token");
        let channel = authorized(&url, &token, &ClientTls::default(), Duration::from_millis(50)).unwrap();
        let mut health = HealthClient::new(channel);
        let call = health.check(HealthCheckRequest::default());
        tokio::select! {
            answer = call => assert!(answer.is_err()),
            () = silent => unreachable!("the peer never returns"),
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("the call hangs although its peer is dead"),
        }
    }
}
