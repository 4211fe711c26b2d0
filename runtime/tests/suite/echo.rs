//! A server with one method, `/test.v1.Echo/Say`, that answers with the caller's name, and a client for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use secrecy::SecretString;
use switchboard_runtime::Lifecycle;
use switchboard_runtime::auth::{AuthLayer, Authenticator, PeerAddr, Policy, Principal, Role, TokenRejected};
use switchboard_runtime::grpc::{GrpcServer, client};
use switchboard_runtime::http::Readiness;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

pub(crate) const SAY: &str = "/test.v1.Echo/Say";

/// Holds a call until `release` is notified, when the request says "wait".
#[derive(Clone, Default)]
pub(crate) struct Echo {
    pub(crate) arrived: Arc<tokio::sync::Notify>,
    pub(crate) release: Arc<tokio::sync::Notify>,
}

struct Say(Echo);

impl UnaryService<String> for Say {
    type Response = String;
    type Future = BoxFuture<'static, Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let echo = self.0.clone();
        Box::pin(async move {
            let principal = Principal::of(&request)?;
            let peer = PeerAddr::of(&request).map(|peer| peer.ip().to_string());
            if request.get_ref() == "wait" {
                echo.arrived.notify_one();
                echo.release.notified().await;
            }
            Ok(Response::new(format!("{} from {}", principal.name, peer.unwrap_or_default())))
        })
    }
}

impl Service<::http::Request<Body>> for Echo {
    type Response = ::http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ::http::Request<Body>) -> Self::Future {
        let say = Say(self.clone());
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<String, String>::default());
            Ok(grpc.unary(say, request).await)
        })
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "test.v1.Echo";
}

/// Knows the tokens "sender-token" and "viewer-token".
pub(crate) struct TwoTokens;

impl Authenticator for TwoTokens {
    fn authenticate(&self, token: &str) -> Result<Principal, TokenRejected> {
        match token {
            "sender-token" => Ok(Principal::new("sender", [Role::Sender], None)),
            "viewer-token" => Ok(Principal::new("viewer", [Role::Viewer], None)),
            _ => Err(TokenRejected("the bearer token is not known".into())),
        }
    }
}

pub(crate) fn auth() -> AuthLayer {
    let policy = Policy::new([(SAY, &[Role::Sender, Role::Superadmin][..])]);
    AuthLayer::new(Arc::new(TwoTokens), policy)
}

/// Starts the server as a critical task of `lifecycle`.
pub(crate) async fn serve(echo: Echo, auth: AuthLayer, readiness: Readiness, lifecycle: &Lifecycle) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = GrpcServer::new("echo").with_auth(auth);
    let routes = Routes::new(echo);
    lifecycle.spawn("echo server", server.serve(listener, routes, readiness, lifecycle.clone()));
    address
}

pub(crate) async fn say(address: SocketAddr, token: &str, text: &str) -> Result<String, Status> {
    let channel = client::channel(&format!("http://{address}"), SecretString::from(token)).unwrap();
    call(channel, SAY, text, None).await
}

/// One unary call over any channel; `authorization` is set when given.
pub(crate) async fn call<C>(
    channel: C,
    method: &'static str,
    text: &str,
    authorization: Option<&'static str>,
) -> Result<String, Status>
where
    C: tonic::client::GrpcService<Body>,
    C::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <C::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError>,
    C::Error: Into<tonic::codegen::StdError>,
{
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unavailable(error.into().to_string()))?;
    let mut request = Request::new(text.to_owned());
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse().unwrap());
    }
    let path = ::http::uri::PathAndQuery::from_static(method);
    let answer = grpc.unary(request, path, ProstCodec::<String, String>::default()).await?;
    Ok(answer.into_inner())
}
