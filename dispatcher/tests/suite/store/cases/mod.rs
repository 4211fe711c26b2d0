//! What every engine must do, by topic.

pub mod census;
pub mod due;
pub mod failures;
pub mod fallback;
pub mod idempotency;
pub mod listing;
pub mod ownership;
pub mod parking;
pub mod presumed;
pub mod quarantine;
pub mod record;
pub mod reports;
pub mod retention;
