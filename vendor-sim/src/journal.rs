//! What the vendor saw and did: every request with its verdict, every callback attempt with its answer.
//!
//! Tests judge by this, so it holds what the vendor saw, not what the client believes it sent. It never holds a secret:
//! the values of headers that authenticate are replaced.

use std::collections::{BTreeMap, VecDeque};

use http::HeaderMap;
use serde::{Deserialize, Serialize};

/// Headers whose values prove who one is.
const SECRET_HEADERS: &[&str] = &["authorization", "x-cm-signature"];

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A send of any kind.
    Send,
    /// CloudMsg: an image upload.
    Upload,
    /// A look-up by id, reference or request.
    LookUp,
    /// SendTalk: the results feed.
    Results,
    /// The credential check.
    Check,
    /// Anything else.
    Other,
}

/// The vendor's opinion of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing wrong with it.
    Valid,
    /// Refused by the vendor's own rules.
    Invalid {
        /// The vendor's code.
        code: String,
        /// Why, in words.
        reason: String,
    },
    /// A scripted fault answered before the vendor looked.
    NotChecked,
}

/// A request that the vendor received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestEntry {
    /// Position in the journal since the start.
    pub seq: u64,
    /// Epoch milliseconds.
    pub at: i64,
    /// HTTP method.
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// Headers, those that authenticate without their values.
    pub headers: BTreeMap<String, String>,
    /// The body when it is text of at most 16 KiB.
    pub body: Option<String>,
    /// What it was for.
    pub operation: Operation,
    /// Service id or account id, where it could be told.
    pub account: Option<String>,
    /// What the vendor thought of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The scripted fault that hit it.
    pub fault: Option<String>,
    /// HTTP status of the answer; none when there was no answer.
    pub status: Option<u16>,
    /// Ids of the messages it made.
    pub accepted: Vec<String>,
    /// References it carried.
    pub references: Vec<String>,
    /// Odd but harmless: fields that the document does not know.
    pub warnings: Vec<String>,
}

/// One attempt to deliver a callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackEntry {
    /// Position in the journal since the start.
    pub seq: u64,
    /// Epoch milliseconds.
    pub at: i64,
    /// Service id or account id whose secret signed it.
    pub account: String,
    /// Where it went.
    pub url: String,
    /// Ids of the events in it.
    pub event_ids: Vec<String>,
    /// Messages the events are about.
    pub message_ids: Vec<String>,
    /// 1 for the first attempt.
    pub attempt: usize,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// Why there was no answer, or why nothing was sent.
    pub error: Option<String>,
    /// The body as sent.
    pub body: String,
}

/// Everything since the start or the last clearing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// Requests received, oldest first.
    pub requests: VecDeque<RequestEntry>,
    /// Callback attempts, oldest first.
    pub callbacks: VecDeque<CallbackEntry>,
    /// Entries dropped because the journal was full.
    pub dropped: u64,
    next_seq: u64,
}

impl Journal {
    pub(crate) fn request(&mut self, mut entry: RequestEntry, limit: usize) {
        entry.seq = self.take_seq();
        self.requests.push_back(entry);
        while self.requests.len() > limit {
            self.requests.pop_front();
            self.dropped += 1;
        }
    }

    pub(crate) fn callback(&mut self, mut entry: CallbackEntry, limit: usize) {
        entry.seq = self.take_seq();
        self.callbacks.push_back(entry);
        while self.callbacks.len() > limit {
            self.callbacks.pop_front();
            self.dropped += 1;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.requests.clear();
        self.callbacks.clear();
        self.dropped = 0;
    }

    fn take_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    /// Requests that sent or tried to send messages.
    pub fn sends(&self) -> impl Iterator<Item = &RequestEntry> {
        self.requests.iter().filter(|entry| entry.operation == Operation::Send)
    }

    /// Requests that the vendor's own rules refused.
    pub fn invalid(&self) -> impl Iterator<Item = &RequestEntry> {
        self.requests.iter().filter(|entry| matches!(entry.verdict, Verdict::Invalid { .. }))
    }
}

/// Headers for the journal: one value a name, secrets replaced.
pub(crate) fn visible_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = if SECRET_HEADERS.contains(&name.as_str()) {
                "(hidden)".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            (name.as_str().to_owned(), value)
        })
        .collect()
}
