//! The only place that knows both proto and domain.

mod message;
mod request;
mod status;

pub(super) use message::{Visibility, message, message_without_events, status_word};
pub(super) use request::{alimtalk_request, list_query, mms_request, sms_request};
pub(super) use status::{status_result, status_update};
