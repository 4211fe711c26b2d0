//! The operators' commands: each file one group, its arguments, what it does and how it looks.

pub mod audit;
pub mod credentials;
pub mod keys;
pub mod messages;
pub mod migrate;
pub mod org;
pub mod provider;
pub mod routing;
pub mod send;
pub mod test_connection;
mod wait;

pub(crate) use wait::{Wait, applied};
