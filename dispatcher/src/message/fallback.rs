//! The text in place of an Alimtalk that has finally failed, where it is ours to send.

use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};
use switchboard_providers::model::Channel;

use super::{Content, EventKind, Message, State, TextContent};

impl Message {
    /// Makes the owed text, if one is owed, and links it. It goes through the account that the Alimtalk went through.
    pub fn fall_back(&mut self, at: DateTime<Utc>) -> Option<Self> {
        let fallback = self.owed_fallback()?.clone();
        let mut child = Self {
            id: child_id(&self.id, at),
            organization_id: self.organization_id.clone(),
            request_id: String::new(),
            channel: if fallback.lms { Channel::Lms } else { Channel::Sms },
            to: self.to.clone(),
            sender: fallback.sender,
            content: Content::Text(TextContent {
                text: fallback.text,
                subject: fallback.subject,
                opt_out_number: None,
            }),
            labels: self.labels.clone(),
            route: self.route.clone(),
            state: State::Requested,
            events: Vec::new(),
            fallback_message_id: String::new(),
            create_time: at,
            due_time: None,
            checks: 0,
        };
        child.note(EventKind::Recorded, at, format!("in place of the Alimtalk {}", self.id), None);
        self.fallback_message_id.clone_from(&child.id);
        self.note(EventKind::Fallback, at, format!("a text is sent in its place: {}", child.id), None);
        Some(child)
    }

    /// Whether it was sent once more already.
    pub fn was_resent(&self) -> bool {
        self.events.iter().any(|event| event.kind == EventKind::Resent)
    }
}

/// A UUIDv7 of this time whose random part comes from the parent's id: the same failure makes the same child.
fn child_id(parent: &str, at: DateTime<Utc>) -> String {
    let digest = digest(&SHA256, parent.as_bytes());
    let mut random = [0_u8; 10];
    random.copy_from_slice(&digest.as_ref()[..10]);
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string()
}
