//! How a message and its timeline look.

use std::io;

use comfy_table::{ColumnConstraint, Row, Table, Width, presets};
use switchboard_proto::{
    common::v1::Channel,
    dispatch::v1::{Failure, Message, MessageEvent, MessageStatus},
};

use crate::output;

/// Columns of a timeline: time, what happened, status after it, vendor; what is left is for the detail.
const WIDTHS: [u16; 4] = [15, 17, 13, 11];

pub(crate) fn status_word(status: MessageStatus) -> &'static str {
    output::word(status.as_str_name(), "MESSAGE_STATUS_")
}

fn channel_word(channel: Channel) -> &'static str {
    output::word(channel.as_str_name(), "CHANNEL_")
}

/// A message in two or three lines.
pub(crate) fn summary(message: &Message) -> io::Result<()> {
    output::line(format_args!(
        "{}  {} to {} for {} through {}: {}",
        message.message_id,
        channel_word(message.channel()),
        message.to,
        message.organization_id,
        message.provider,
        status_word(message.status()),
    ))?;
    if let Some(failure) = &message.failure {
        output::line(format_args!("  why: {}", why(failure)))?;
    }
    if !message.fallback_message_id.is_empty() {
        output::line(format_args!("  in its place: {}", message.fallback_message_id))?;
    }
    let next = next(message);
    if !next.is_empty() {
        output::line(format_args!("  next: {next}"))?;
    }
    Ok(())
}

/// What happens next, and when.
fn next(message: &Message) -> String {
    let what = match message.next_action.as_str() {
        "" => return message.next_step.clone(),
        "CHECK_SENDER" => "it is looked into whether the process that was sending it still lives",
        "LOOK_UP" => "the vendor is asked about it",
        "GIVE_UP" => "the vendor is asked a last time",
        other => other,
    };
    format!(
        "from {} KST {what} (looked after {} times so far); without a result it is UNRESOLVED after {} KST",
        output::time(message.next_action_time.as_ref()),
        message.check_count,
        output::time(message.give_up_time.as_ref()),
    )
}

/// What was heard of a message last, and why.
pub(super) fn last_word(event: &MessageEvent) -> String {
    let why = event.failure.as_ref().map_or(event.detail.as_str(), |failure| failure.code.as_str());
    [event.kind.as_str(), why].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

fn why(failure: &Failure) -> String {
    let code = if failure.provider_code.is_empty() {
        String::new()
    } else {
        format!(" (vendor's code {})", failure.provider_code)
    };
    let again = if failure.retryable { "; sending it anew may succeed" } else { "" };
    format!("{}{code}: {}{again}", failure.code, failure.detail)
}

/// A message with everything that is known about it.
pub(super) fn whole(message: &Message) -> io::Result<()> {
    summary(message)?;
    let facts = [
        ("sender", message.sender.clone()),
        ("account", message.provider_account.clone()),
        ("vendor's id", message.provider_message_id.clone()),
        ("request id", message.request_id.clone()),
        ("recorded", output::time(message.create_time.as_ref())),
        ("accepted", output::time(message.accept_time.as_ref())),
        ("result", output::time(message.result_time.as_ref())),
        (
            "sent under",
            format!("revision {}, credentials version {}", message.config_revision, message.provider_config_version),
        ),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        output::line(format_args!("  {name}: {value}"))?;
    }
    output::line(Timeline::HEADER)?;
    for row in Timeline::default().news(message) {
        output::line(row)?;
    }
    Ok(())
}

/// A timeline that is shown as it grows.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    shown: usize,
}

impl Timeline {
    pub(crate) const HEADER: &'static str = "  time (KST)     event            status       vendor     what was said";

    /// Rows for the events that have not been shown yet.
    pub(crate) fn news(&mut self, message: &Message) -> Vec<String> {
        let rows = message.events.iter().skip(self.shown).map(row).collect();
        self.shown = self.shown.max(message.events.len());
        rows
    }
}

fn row(event: &MessageEvent) -> String {
    let mut detail = event.detail.clone();
    if let Some(failure) = event.failure.as_ref().filter(|failure| !detail.contains(&failure.code)) {
        let gap = if detail.is_empty() { "" } else { " – " };
        detail = format!("{detail}{gap}{}", failure.code);
    }
    let cells = [
        output::clock(event.record_time.as_ref()),
        event.kind.clone(),
        status_word(event.status()).to_owned(),
        event.provider.clone(),
    ];
    let mut table = Table::new();
    table.load_style(presets::NOTHING).add_row(Row::from(cells));
    table.set_constraints(WIDTHS.map(|width| ColumnConstraint::Absolute(Width::Fixed(width))));
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    let fixed = table.to_string();
    format!("  {fixed}{detail}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn a_timeline_shows_each_event_once_and_in_columns() {
        let event = |kind: &str, status: MessageStatus| MessageEvent {
            kind: kind.to_owned(),
            status: status.into(),
            record_time: Some(Timestamp { seconds: 1_700_000_000, nanos: 0 }),
            provider: "cloudmsg".to_owned(),
            detail: "접수됨".to_owned(),
            ..MessageEvent::default()
        };
        let mut timeline = Timeline::default();
        let mut message = Message { events: vec![event("RECORDED", MessageStatus::Requested)], ..Message::default() };
        let first = timeline.news(&message);
        assert_eq!(first.len(), 1);
        assert!(first[0].ends_with("접수됨"), "{first:?}");
        let column = |row: &str, word: &str| row.find(word).unwrap();
        assert_eq!(column(&first[0], "cloudmsg"), column(Timeline::HEADER, "vendor"));
        assert_eq!(column(&first[0], "REQUESTED"), column(Timeline::HEADER, "status"));
        message.events.push(event("ACCEPTED", MessageStatus::Queued));
        assert!(timeline.news(&message)[0].contains("ACCEPTED"));
        assert!(timeline.news(&message).is_empty());
    }
}
