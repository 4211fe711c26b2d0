//! The dispatcher: sends messages the way that each organisation has chosen, and keeps their history.
//!
//! One way through: [`api`] takes a request, [`prepare`] makes it fit for any vendor, [`send`] asks the [`resolver`] for
//! the way, records the message in the [`history`], calls the vendor through [`outbound`], and writes what it came to.
//! Callbacks come back through [`api`] and [`callbacks`] into the same history; what stays open too long is looked after
//! by [`reconcile`], and what need not be kept is forgotten by [`retention`]. What a [`message`] may become is decided in
//! one place, and what is kept of it behind one trait, [`store`].

pub mod api;
mod app;
pub mod callbacks;
mod config;
mod gauges;
pub mod history;
pub mod message;
pub mod outbound;
pub mod prepare;
pub mod reconcile;
pub mod resolver;
pub mod retention;
pub mod send;
pub mod store;

pub use app::{migrate, start};
pub use config::Config;
pub use resolver::SnapshotKey;
