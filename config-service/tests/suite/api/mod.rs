//! The API over loopback, with tokens, on embedded storage and simulated vendors.

mod audit;
mod cable;
mod credentials;
mod organizations;
mod replicas;
mod roles;
mod routing;
pub mod steps;
pub mod subscriber;
mod watch;
