//! A message: what it says, which way it goes, where it stands, and what has happened to it.

mod content;
mod event;
mod fallback;
mod next;
mod state;
mod transition;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use switchboard_providers::model::{Channel, Failure};

pub use content::{AlimtalkContent, Content, FallbackText, MmsContent, TextContent, UnreadableContent};
pub use event::{Event, EventKind};
pub use next::{Action, Next};
pub use state::{Receipt, State, Status, UnknownStatus};
pub use transition::{Applied, Report, Settlement, vendors_fallback};

/// A message as the history holds it.
#[derive(Clone)]
pub struct Message {
    /// Our id (UUIDv7); the reference that the vendor sees.
    pub id: String,
    /// Whom it was sent for.
    pub organization_id: String,
    /// The caller's idempotency key; empty: none.
    pub request_id: String,
    /// Its kind.
    pub channel: Channel,
    /// Recipient in E.164.
    pub to: String,
    /// Sender as it is kept: E.164, or a representative number in national digits. Empty for an Alimtalk.
    pub sender: String,
    /// What it says.
    pub content: Content,
    /// The caller's labels.
    pub labels: BTreeMap<String, String>,
    /// Which way it goes.
    pub route: Route,
    /// Where it stands.
    pub state: State,
    /// What has happened to it, oldest first.
    pub events: Vec<Event>,
    /// The message sent in its place; empty: none.
    pub fallback_message_id: String,
    /// When it was recorded.
    pub create_time: DateTime<Utc>,
    /// When somebody must look after it next; `None` once it is final.
    pub due_time: Option<DateTime<Utc>>,
    /// How often the vendor has been asked about it since it last moved.
    pub checks: u32,
}

/// Which way a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Code of the vendor.
    pub provider: String,
    /// The account, as the vendor names it.
    pub provider_account: String,
    /// The organisation whose account that is: the sender's own, or `default`.
    pub account_organization_id: String,
    /// Revision of the configuration that chose it.
    pub config_revision: i64,
    /// Version of the credentials.
    pub provider_config_version: i64,
}

impl Message {
    /// The timeline's next line. What moves the message has its line always, and so has the first contradiction.
    fn push(&mut self, event: Event) {
        // A vendor that repeats itself for days must not make a row grow without bound.
        const LONGEST_TIMELINE: usize = 200;
        let is_first = || self.events.iter().all(|known| known.kind != event.kind);
        let has_room = match event.kind {
            EventKind::Stale | EventKind::UnknownStatus | EventKind::Fallback => self.events.len() < LONGEST_TIMELINE,
            EventKind::Conflict => self.events.len() < LONGEST_TIMELINE || is_first(),
            _ => true,
        };
        if has_room {
            self.events.push(event);
        }
    }

    /// When something was last written of it.
    pub fn last_written(&self) -> DateTime<Utc> {
        self.events.last().map_or(self.create_time, |event| event.record_time)
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.state {
            State::Failed { failure, .. } => Some(failure),
            _ => None,
        }
    }
}
