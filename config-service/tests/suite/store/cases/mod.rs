//! The cases, by topic.

pub mod audit;
pub mod configs;
pub mod keys;
pub mod nodes;
pub mod organizations;
pub mod routing;
pub mod schema;
pub mod watch;
