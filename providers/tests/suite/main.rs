//! The provider suite: every vendor of the registry, over real HTTP.
//!
//! - `cases`: what must hold for every vendor, against its simulator; a third vendor is one more line in [`bench`]
//! - `cloudmsg`, `bulk` (its calls for many), `sendtalk`: what is peculiar to one of them
//! - `shared`: the cases and messages that the staging run takes to real systems (`tests/staging`)
//! - `staging`: the staging run itself, against the simulators
//! - `golden`: requests byte for byte
//! - `transport`: connections that fail in every way
//! - `forms`, `robustness`: credentials forms, and what strangers may send

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail the test as the tests do")]

mod bench;
mod bulk;
#[path = "../shared/callbacks.rs"]
mod callbacks;
mod capture;
mod cases;
mod cloudmsg;
mod fixtures;
mod forms;
mod golden;
mod robustness;
mod sendtalk;
#[path = "../shared/mod.rs"]
mod shared;
mod staging;
mod transport;
