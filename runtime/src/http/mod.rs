//! The operational HTTP server of a process: is it alive, can it do its job, what are its figures.

mod readiness;
mod server;

pub use readiness::{Check, Readiness};
pub use server::start;
