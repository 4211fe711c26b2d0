//! Shows a message's timeline as it happens, and judges where it ended.

use std::time::Duration;

use switchboard_proto::dispatch::v1::{Message, MessageStatus};
use tokio::time::{Instant, sleep};

use super::send::Kind;
use crate::{
    client::Messages,
    commands::messages::{Timeline, get, is_final, status_word},
    output::line,
    up::organizations::Organization,
};

const LOOK_EVERY: Duration = Duration::from_millis(15);
/// How long one message may take; the simulated vendors take about 60 ms.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where a message is meant to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) provider: &'static str,
    pub(super) status: MessageStatus,
    /// Of the failure; empty for none.
    pub(super) code: &'static str,
}

/// Where it ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) organization: &'static str,
    pub(super) kind: &'static str,
    pub(super) provider: String,
    pub(super) status: &'static str,
    pub(super) took: Duration,
    /// What is wrong with that; none when it is as expected.
    pub(super) complaint: Option<String>,
}

pub(super) async fn follow(
    messages: &mut Messages,
    organization: &Organization,
    kind: Kind,
    sent: Message,
    expected: Expected,
) -> anyhow::Result<Outcome> {
    line(format_args!("\n  {} to {} through {}, message {}", kind.name(), sent.to, sent.provider, sent.message_id))?;
    line(Timeline::HEADER)?;
    let began = Instant::now();
    let mut timeline = Timeline::default();
    let message = loop {
        let message = get(messages, sent.message_id.clone()).await?;
        for row in timeline.news(&message) {
            line(row)?;
        }
        if is_final(message.status()) || began.elapsed() > PATIENCE {
            break message;
        }
        sleep(LOOK_EVERY).await;
    };
    Ok(Outcome {
        organization: organization.id,
        kind: kind.name(),
        status: status_word(message.status()),
        took: began.elapsed(),
        complaint: complaint(&message, kind, expected),
        provider: message.provider,
    })
}

fn complaint(message: &Message, kind: Kind, expected: Expected) -> Option<String> {
    let code = message.failure.as_ref().map(|failure| failure.code.as_str()).unwrap_or_default();
    let reported = message.events.iter().any(|event| event.kind == "REPORTED" && event.status() == message.status());
    if message.status() != expected.status {
        Some(format!("expected {}; {}", status_word(expected.status), message.next_step))
    } else if message.provider != expected.provider {
        Some(format!("expected to go through {}", expected.provider))
    } else if code != expected.code {
        Some(format!("expected the failure {:?}, not {code:?}", expected.code))
    } else if !message.channel().as_str_name().ends_with(kind.name()) {
        Some(format!("expected to go as {}", kind.name()))
    } else if !reported {
        Some("its result did not come by a callback".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use switchboard_proto::{common::v1::Channel, dispatch::v1::MessageEvent};

    use super::*;

    fn delivered(by: &str) -> Message {
        let status = MessageStatus::Delivered.into();
        Message {
            status,
            provider: "cloudmsg".to_owned(),
            channel: Channel::Sms.into(),
            events: vec![MessageEvent { kind: by.to_owned(), status, ..MessageEvent::default() }],
            ..Message::default()
        }
    }

    #[test]
    fn only_a_result_that_came_by_callback_is_as_expected() {
        let expected = Expected { provider: "cloudmsg", status: MessageStatus::Delivered, code: "" };
        assert_eq!(complaint(&delivered("REPORTED"), Kind::Sms, expected), None);
        assert!(complaint(&delivered("LOOKED_UP"), Kind::Sms, expected).unwrap().contains("callback"));
        assert!(complaint(&delivered("REPORTED"), Kind::Lms, expected).unwrap().contains("LMS"));
        let other = Expected { provider: "sendtalk", ..expected };
        assert!(complaint(&delivered("REPORTED"), Kind::Sms, other).unwrap().contains("sendtalk"));
    }
}
