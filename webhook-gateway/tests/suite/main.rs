//! The gateway as vendors see it: over HTTP, with a scripted config-service and dispatcher behind it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod callbacks;
mod https;
mod outages;
mod peers;
mod vendors;
mod world;
