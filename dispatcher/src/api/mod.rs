//! gRPC in: authentication has happened, here are authorisation by organisation, conversion, and the one match from our
//! errors to statuses. Nothing else.

mod convert;
mod error;
mod messages;
pub mod policy;
mod status;
mod webhooks;

pub use messages::Messages;
pub use status::DeliveryStatus;
pub use webhooks::WebhookAdmin;
