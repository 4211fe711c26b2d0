//! The neutral message model and the vendors behind it.
//!
//! The rest of Switchboard speaks of messages, outcomes and reports in the words of [`model`]; what a vendor calls them
//! stays in the vendor's folder. A new vendor is one new folder and one line in [`registry`].
//!
//! - [`model`]: messages, phone numbers, texts, outcomes, failures, reports
//! - [`credentials`]: forms, credentials, what is wrong with them
//! - [`vendor`]: the traits a vendor implements
//! - [`webhook`]: what verifying and parsing a callback yields
//! - [`registry`]: the vendors there are
//! - `cloudmsg`, `sendtalk`: the vendors; each has a `docs.md` of what it can do
//! - `http`, `signature`, `verdict`, `carrier`, `foreign`: what vendors share: transport, callback signatures, the shape of
//!   error tables, delivery codes, and care with other people's words
//!
//! Nothing here knows gRPC, SQL or how a process is run. Time comes in as an argument.

mod carrier;
mod cloudmsg;
pub mod credentials;
mod foreign;
mod http;
pub mod model;
pub mod registry;
mod sendtalk;
mod signature;
pub mod vendor;
mod verdict;
pub mod webhook;

pub use credentials::{Credentials, CredentialsError, Form, FormField, FormViolation, Use};
pub use registry::{Registry, UnknownVendor, VendorSettings};
pub use vendor::{
    AccountCheck, BulkTexts, Descriptor, MessageProvider, Recovery, ResultsFeed, ResultsPage, ResultsSpan, Vendor,
};
pub use webhook::{WebhookError, WebhookEvent, WebhookFormat};
