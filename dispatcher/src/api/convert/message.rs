//! Messages out.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use switchboard_proto::{common::v1 as common, dispatch::v1 as proto};
use switchboard_providers::model::{Channel, Failure};
use switchboard_runtime::wire::to_timestamp;

use crate::message::{Action, Event, Message, Next, State, Status};

/// How much of a message a caller may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// Everything.
    Whole,
    /// The recipient is masked.
    Masked,
}

/// How a message is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// How much of it.
    pub(crate) visibility: Visibility,
    /// How long a result may take.
    pub(crate) result_horizon: Duration,
}

/// A message with its timeline.
pub(crate) fn message(message: &Message, view: View) -> proto::Message {
    let events = (1..).zip(&message.events).map(|(sequence, event)| self::event(sequence, event)).collect();
    proto::Message { events, ..message_without_events(message, view) }
}

/// A message without its timeline.
pub(crate) fn message_without_events(message: &Message, view: View) -> proto::Message {
    let receipt = message.state.receipt();
    let next = message.next(view.result_horizon);
    proto::Message {
        message_id: message.id.clone(),
        organization_id: message.organization_id.clone(),
        request_id: message.request_id.clone(),
        channel: channel(message.channel).into(),
        provider: message.route.provider.clone(),
        status: status_word(message.state.status()).into(),
        provider_message_id: receipt.map(|receipt| receipt.provider_message_id.clone()).unwrap_or_default(),
        to: match view.visibility {
            Visibility::Whole => message.to.clone(),
            Visibility::Masked => masked(&message.to),
        },
        sender: message.sender.clone(),
        failure: message.failure().map(failure),
        fallback_message_id: message.fallback_message_id.clone(),
        create_time: Some(to_timestamp(message.create_time)),
        accept_time: receipt.map(|receipt| to_timestamp(receipt.accept_time)),
        result_time: message.state.result_time().map(to_timestamp),
        config_revision: message.route.config_revision,
        provider_config_version: message.route.provider_config_version,
        labels: message.labels.clone().into_iter().collect(),
        events: Vec::new(),
        next_step: next_step(message, next),
        provider_account: message.route.provider_account.clone(),
        next_action: next.map(|next| next.action.as_str().to_owned()).unwrap_or_default(),
        next_action_time: next.map(|next| to_timestamp(next.time)),
        check_count: i32::try_from(message.checks).unwrap_or(i32::MAX),
        give_up_time: next.map(|next| to_timestamp(next.give_up_time)),
    }
}

/// What is being waited for, and what happens if it does not come.
fn next_step(message: &Message, next: Option<Next>) -> String {
    let waits_for = match message.state {
        State::Requested => "the vendor's answer to the send",
        State::InDoubt => "the vendor's word on whether it has the message",
        State::Queued(_) => "the vendor's report that it was handed over",
        State::Sent(_) => "the vendor's report of the result",
        State::Unresolved(_) => return "no result came in time; a late one still counts".to_owned(),
        State::Delivered { .. } | State::Failed { .. } => return String::new(),
    };
    let Some(next) = next else { return format!("waits for {waits_for}") };
    let then = match next.action {
        Action::CheckSender => "it is looked into",
        Action::LookUp => "the vendor is asked",
        Action::GiveUp => "the vendor is asked a last time",
    };
    let instant = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let (time, end) = (instant(next.time), instant(next.give_up_time));
    format!("waits for {waits_for}; from {time} {then}; without a result it is UNRESOLVED after {end}")
}

fn masked(number: &str) -> String {
    let length = number.chars().count();
    let keep = 5.min(length.saturating_sub(4));
    number.chars().enumerate().map(|(i, c)| if i < keep || i + 4 >= length { c } else { '*' }).collect()
}

fn event(sequence: i32, event: &Event) -> proto::MessageEvent {
    proto::MessageEvent {
        sequence,
        kind: event.kind.as_str().to_owned(),
        status: status_word(event.status).into(),
        occur_time: Some(to_timestamp(event.occur_time)),
        record_time: Some(to_timestamp(event.record_time)),
        provider: event.provider.clone(),
        detail: event.detail.clone(),
        failure: event.failure.as_ref().map(failure),
    }
}

fn failure(failure: &Failure) -> proto::Failure {
    proto::Failure {
        code: failure.code.as_str().to_owned(),
        provider_code: failure.provider_code.clone(),
        detail: failure.detail.clone(),
        retryable: failure.retryable,
    }
}

fn channel(channel: Channel) -> common::Channel {
    match channel {
        Channel::Sms => common::Channel::Sms,
        Channel::Lms => common::Channel::Lms,
        Channel::Mms => common::Channel::Mms,
        Channel::Alimtalk => common::Channel::Alimtalk,
    }
}

/// A status as the contract has it.
pub(crate) fn status_word(status: Status) -> proto::MessageStatus {
    match status {
        Status::Requested => proto::MessageStatus::Requested,
        Status::InDoubt => proto::MessageStatus::InDoubt,
        Status::Queued => proto::MessageStatus::Queued,
        Status::Sent => proto::MessageStatus::Sent,
        Status::Delivered => proto::MessageStatus::Delivered,
        Status::Failed => proto::MessageStatus::Failed,
        Status::Unresolved => proto::MessageStatus::Unresolved,
    }
}
