//! Errors as callers see them: a gRPC code, a reason from the documented list, and details a program can read.
//!
//! [`Problem`] builds a [`tonic::Status`]; [`reason_of`] and [`describe`] read one back.

mod problem;
mod read;
mod reason;

pub use problem::{DOMAIN, Problem};
pub use read::{code_name, describe, reason_of};
pub use reason::{Reason, UnknownReason};
