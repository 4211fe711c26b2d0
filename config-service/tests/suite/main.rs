//! Everything about config-service from outside: its API over loopback, and the store suite on both engines.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail the test like the tests themselves"
)]

mod api;
mod hub;
mod store;
mod support;
