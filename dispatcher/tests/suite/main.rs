//! The dispatcher's tests.

mod policy;
mod store;
mod transitions;
