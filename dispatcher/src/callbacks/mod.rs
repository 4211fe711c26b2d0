//! What the webhook gateway hands on: reports, which are applied, and events that could not be read, which are kept.

mod quarantine;
mod reports;

pub use quarantine::{NoRoom, Outcome, Quarantine};
pub use reports::Reports;
