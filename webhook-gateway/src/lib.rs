//! The door that vendors knock on: verifies a callback over its raw body, reads it, and answers 200 only when the
//! dispatcher has committed everything in it.
//!
//! It keeps nothing: what it cannot hand on it refuses with 503, and the vendor comes again. Which secret may sign for
//! which account it learns from the watch of config-service and holds in memory.
//!
//! - [`api`](mod@api): HTTP in, one match from what went wrong to a status
//! - [`secrets`](mod@secrets): who may sign for an account
//! - [`reporter`](mod@reporter): hands on what waits, together
//! - [`app`](mod@app): settings to running tasks

mod api;
mod app;
mod config;
mod reporter;
mod secrets;

pub use app::start;
pub use config::Config;
