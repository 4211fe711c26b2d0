//! The dispatcher's tests: the state machine, the store's conformance suite, and the service as its callers see it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod api;
mod choosing;
mod company;
mod policy;
mod rate;
mod store;
mod support;
mod transitions;
