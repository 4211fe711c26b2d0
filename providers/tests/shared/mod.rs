//! What the suite and the staging run have in common, so that a real system is held to the simulator's cases and not to
//! copies of them. (What the suite and the fuzz targets have in common is `callbacks.rs` beside this.)
//!
//! - `messages`: messages with nothing remarkable about them
//! - `cases`: what must hold for every account that works, simulated or real
//! - `plan`: which staging systems the environment names, and what is sent there

pub mod cases;
pub mod messages;
pub mod plan;
