//! What the parts of the runtime do together, over real sockets, files and signals.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod auth;
mod certificates;
mod collector;
mod config;
mod echo;
mod grpc;
mod issuer;
mod jwt;
mod lifecycle;
mod limits;
mod operational;
mod signals;
mod tls;
mod tokens;
mod traces;
