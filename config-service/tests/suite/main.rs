//! Everything about config-service from outside: its API over loopback, and the store suite on both engines.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may fail the test like the tests themselves, and spawn what ends with the test"
)]

mod api;
mod hub;
mod secrets;
mod start;
mod store;
mod support;
