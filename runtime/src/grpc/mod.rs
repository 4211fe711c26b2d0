//! The gRPC server and client that every service shares, so that all behave alike on the network.

pub mod client;
mod described;
mod dial;
mod health;
mod late;
mod server;

use std::time::Duration;

pub use client::{AuthorizedChannel, ClientError};
pub use late::LateRoutes;
pub use server::GrpcServer;

/// How often a quiet connection is probed, and how long the answer may take. Without it a connection that was cut in
/// one direction only looks alive for minutes.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// HTTP/2 flow control of one stream: large enough that a snapshot of the configuration is not held up by round trips.
const STREAM_WINDOW: u32 = 1 << 20;
/// HTTP/2 flow control of one connection.
const CONNECTION_WINDOW: u32 = 4 << 20;
/// All headers of one message together, in bytes. A token that is a large JWT takes 4 KiB; a refusal names every field.
const HEADERS: u32 = 16 * 1024;
