//! HTTP servers with limits, and the operational one of a process: is it alive, can it do its job, what are its figures.

mod readiness;
mod serve;
mod server;

pub use readiness::{Check, Readiness};
pub use serve::serve;
pub use server::start;
