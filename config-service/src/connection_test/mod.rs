//! The connection test: does the vendor take these credentials? It never sends a message.

mod proof;
mod tester;

pub use tester::{TestReport, Tester};
