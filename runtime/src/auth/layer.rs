//! The gate that every gRPC call passes before its body is read.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::header::AUTHORIZATION;
use ::http::{Request, Response};
use futures::future::{Either, Ready, ready};
use tonic::Status;
use tonic::transport::server::TcpConnectInfo;
use tower::{Layer, Service};

use super::{Authenticator, Denial, DenialObserver, Policy, Principal, TokenRejected};
use crate::error::{Problem, Reason};

/// Where a call came from; in the extensions of every request that has passed the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

impl PeerAddr {
    /// The peer of this request, when the transport has one.
    pub fn of<T>(request: &tonic::Request<T>) -> Option<SocketAddr> {
        request.extensions().get::<Self>().map(|peer| peer.0)
    }
}

/// Authenticates and authorises each call, and leaves a [`Principal`] and a [`PeerAddr`] in its extensions.
#[derive(Clone)]
pub struct AuthLayer {
    gate: Arc<Gate>,
}

struct Gate {
    authenticator: Arc<dyn Authenticator>,
    policy: Policy,
    observer: Option<Arc<dyn DenialObserver>>,
}

impl AuthLayer {
    /// A gate with this authenticator and this policy.
    pub fn new(authenticator: Arc<dyn Authenticator>, policy: Policy) -> Self {
        Self { gate: Arc::new(Gate { authenticator, policy, observer: None }) }
    }

    /// The same, with somebody who hears of every refused call.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn DenialObserver>) -> Self {
        Self {
            gate: Arc::new(Gate {
                authenticator: self.gate.authenticator.clone(),
                policy: self.gate.policy.clone(),
                observer: Some(observer),
            }),
        }
    }

    /// A gate that lets nothing through but health and reflection.
    #[must_use]
    pub fn closed() -> Self {
        struct Nobody;
        impl Authenticator for Nobody {
            fn authenticate(&self, _: &str) -> Result<Principal, TokenRejected> {
                Err(TokenRejected("this server knows no tokens".into()))
            }
        }
        Self::new(Arc::new(Nobody), Policy::default())
    }

    /// The table that it goes by.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.gate.policy
    }
}

impl Gate {
    /// Who calls, or the refusal. `None` for a method that is open to everyone.
    fn admit<B>(&self, request: &Request<B>, peer: Option<SocketAddr>) -> Result<Option<Principal>, Status> {
        let method = request.uri().path();
        if Policy::is_open(method) {
            return Ok(None);
        }
        let Some(token) = bearer(request) else {
            let problem = Problem::new(
                Reason::TokenMissing,
                "no bearer token; send the header \"authorization: Bearer <token>\"",
            );
            return Err(self.refuse(problem, None, method, peer));
        };
        let principal = self
            .authenticator
            .authenticate(token)
            .map_err(|TokenRejected(why)| self.refuse(Problem::new(Reason::TokenInvalid, why), None, method, peer))?;
        let roles = self.policy.roles_for(method);
        if principal.roles.intersects(roles) {
            return Ok(Some(principal));
        }
        let message = if roles.is_empty() {
            format!("no role may call {method}")
        } else {
            format!("calling {method} needs one of the roles {roles}")
        };
        let problem = Problem::new(Reason::RoleRequired, message).metadata("roles", roles.to_string());
        Err(self.refuse(problem, Some(principal), method, peer))
    }

    fn refuse(&self, problem: Problem, principal: Option<Principal>, method: &str, peer: Option<SocketAddr>) -> Status {
        let reason = problem.reason();
        let name = principal.as_ref().map(|principal| &*principal.name);
        tracing::info!(method, ?peer, principal = name, %reason, "call refused");
        metrics::counter!("switchboard_calls_refused_total", "reason" => reason.as_str()).increment(1);
        if let Some(observer) = &self.observer {
            observer.denied(Denial { principal, method: method.to_owned(), peer, reason });
        }
        problem.into()
    }
}

fn bearer<B>(request: &Request<B>) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn peer_of<B>(request: &Request<B>) -> Option<SocketAddr> {
    request.extensions().get::<TcpConnectInfo>()?.remote_addr()
}

impl fmt::Debug for AuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer").field("policy", &self.gate.policy).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService { inner, gate: self.gate.clone() }
    }
}

/// A service behind an [`AuthLayer`].
#[derive(Clone)]
pub struct AuthService<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S: fmt::Debug> fmt::Debug for AuthService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<R>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let peer = peer_of(&request);
        match self.gate.admit(&request, peer) {
            Ok(principal) => {
                let extensions = request.extensions_mut();
                if let Some(principal) = principal {
                    extensions.insert(principal);
                }
                if let Some(peer) = peer {
                    extensions.insert(PeerAddr(peer));
                }
                Either::Left(self.inner.call(request))
            }
            Err(refusal) => Either::Right(ready(Ok(refusal.into_http()))),
        }
    }
}
