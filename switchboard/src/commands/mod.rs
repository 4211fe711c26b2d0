//! The operators' commands: each file one group, its arguments, what it does and how it looks.

pub(crate) mod audit;
pub(crate) mod credentials;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod messages;
pub(crate) mod migrate;
pub(crate) mod org;
pub(crate) mod provider;
pub(crate) mod routing;
pub(crate) mod send;
pub(crate) mod test_connection;
mod wait;
pub(crate) mod webhooks;

pub(crate) use wait::{Wait, applied};
