//! The API over loopback, with tokens, on embedded storage and simulated vendors.

mod audit;
mod cable;
mod credentials;
mod organizations;
mod roles;
mod routing;
mod steps;
mod subscriber;
mod watch;
