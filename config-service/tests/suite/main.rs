//! Everything about config-service from outside: its API over loopback, and the store suite on both engines.

mod api;
mod hub;
mod store;
mod support;
