//! The program as people run it, and the workspace as its plan wants it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod apart;
mod arrows;
mod demo;
mod operator;
mod program;
mod rotation;
mod start_errors;
mod tidiness;
mod up;
