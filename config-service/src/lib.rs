//! The configuration service: organisations, their credentials with vendors, routing, the audit trail, and the watch
//! that dispatchers and webhook gateways live on.
//!
//! The way through is one: [`api`] (gRPC in) → domain → [`store`]. Secrets exist in clear only in memory, in types that
//! neither print nor serialise, and leave only over the watch.
//!
//! - [`organizations`], [`provider_configs`], [`routing`]: what is configured
//! - [`sealing`]: envelope encryption and the key ring
//! - [`connection_test`]: does the vendor take the credentials
//! - [`audit`]: who did what, in a chain of hashes
//! - [`watch`]: changes to subscribers, and who has applied them
//! - [`store`]: SQLite and PostgreSQL behind one trait

pub mod api;
mod app;
pub mod attempt;
pub mod audit;
mod config;
pub mod connection_test;
pub mod error;
pub mod organizations;
pub mod provider_configs;
pub mod routing;
pub mod sealing;
pub mod store;
pub mod watch;

pub use app::{migrate, rotate_keys, start};
pub use config::Config;
