//! The way to a vendor: one lane per vendor account, a tower stack around the vendor's client.
//!
//! From the outside in: rate, circuit breaker, concurrency limit, timeout, vendor. Admission comes before anything is
//! recorded ([`Lane::admit`] reserves a place, bounded in number and time), so that an overloaded lane refuses early
//! instead of late. A call that outlives its timeout is in doubt, never failed. Texts that are ready in the same moment may
//! share a call, which is made up outside all these layers: to them it is one call.

mod breaker;
mod company;
mod lane;
mod meter;
mod outgoing;
mod pace;
mod rate;
mod stack;

pub use breaker::BreakerSettings;
pub use lane::{Admitted, Lane, Lanes, Limits, Overloaded, Usage};
pub use outgoing::{NotSendable, Outgoing};
pub use rate::{LocalRate, Rate, SharedRate, Unlimited};
