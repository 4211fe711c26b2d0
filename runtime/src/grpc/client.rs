//! Connections to the other services.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::header::AUTHORIZATION;
use ::http::{HeaderValue, Request, Response};
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use tonic::body::Body;
use tonic::transport::channel::ResponseFuture;
use tonic::transport::{Channel, Endpoint};
use tower::Service;
use zeroize::Zeroizing;

use super::{CONNECTION_WINDOW, KEEPALIVE, STREAM_WINDOW};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why no channel can be made. Being unable to connect is not among the reasons: that shows on the first call, and
/// every call tries again.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address is no URL of a gRPC server.
    #[error("{0:?} is not the address of a gRPC server; write it like http://127.0.0.1:7002")]
    Url(String),
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

/// A channel to `url` that connects with the first call and again whenever it must.
///
/// # Errors
/// [`ClientError`] when the URL or the token cannot be used.
#[expect(clippy::needless_pass_by_value, reason = "the caller's copy of the secret is wiped when this returns")]
pub fn channel(url: &str, token: SecretString) -> Result<AuthorizedChannel, ClientError> {
    authorized(url, &token, KEEPALIVE)
}

fn authorized(url: &str, token: &SecretString, keepalive: Duration) -> Result<AuthorizedChannel, ClientError> {
    let endpoint = endpoint(url, keepalive)?;
    let value = Zeroizing::new(format!("Bearer {}", token.expose_secret()));
    let mut bearer = HeaderValue::from_str(&value).map_err(|_| ClientError::Token(url.to_owned()))?;
    bearer.set_sensitive(true);
    Ok(AuthorizedChannel { channel: endpoint.connect_lazy(), bearer })
}

fn endpoint(url: &str, keepalive: Duration) -> Result<Endpoint, ClientError> {
    let wrong = || ClientError::Url(url.to_owned());
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| wrong())?;
    let uri = endpoint.uri();
    if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(keepalive)
        .keep_alive_timeout(keepalive)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW))
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
        let channel = authorized(&url, &token, Duration::from_millis(50)).unwrap();
        let mut health = HealthClient::new(channel);
        let call = health.check(HealthCheckRequest::default());
        tokio::select! {
            answer = call => assert!(answer.is_err()),
            () = silent => unreachable!("the peer never returns"),
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("the call hangs although its peer is dead"),
        }
    }
}
