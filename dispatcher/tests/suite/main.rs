//! The dispatcher's tests: the state machine, the store's conformance suite, and the service as its callers see it.

mod api;
mod choosing;
mod policy;
mod store;
mod support;
mod transitions;
