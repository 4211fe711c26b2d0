//! A real dispatcher over loopback, both simulated vendors, and a config-service that does what a test says.

mod callers;
mod config_service;
mod entries;
mod requests;
mod vendors;
mod world;

pub use callers::{Gateway, Refused, Sender};
pub use config_service::{ConfigService, Resolve};
pub use entries::{EntryExt, cloudmsg, organization, sendtalk, without_default_sender};
pub use requests::{alimtalk, jpeg, mms, report, sms};
pub use vendors::{Seen, Vendors};
pub use world::{Setup, World};
