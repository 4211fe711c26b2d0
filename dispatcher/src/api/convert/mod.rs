//! The only place that knows both proto and domain.

mod message;
mod request;
mod status;
mod webhooks;

pub(super) use message::{View, Visibility, message, message_without_events, status_word};
pub(super) use request::{alimtalk_request, list_query, mms_request, sms_request};
pub(super) use status::{status_result, status_update};
pub(super) use webhooks::{quarantined_event, refused_update, replay_result, unreadable_event};
