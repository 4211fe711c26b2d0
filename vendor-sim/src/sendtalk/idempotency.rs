//! `Idempotency-Key` (interface document, "Send"): the same key and body within 24 h is the same message.

use std::collections::{HashMap, VecDeque};

use ring::digest::{SHA256, digest};

use super::errors::Refusal;

/// How long a key is remembered.
const KEPT_MS: i64 = 24 * 3600 * 1000;

/// What is remembered of a send that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) message_id: String,
    pub(super) accepted_at: i64,
}

#[derive(Debug)]
struct Seen {
    /// SHA-256 of the body.
    fingerprint: Vec<u8>,
    begun_at: i64,
    done: Option<Done>,
}

/// Keys of all accounts.
#[derive(Debug, Default)]
pub(super) struct Keys {
    seen: HashMap<(String, String), Seen>,
    order: VecDeque<(String, String)>,
}

/// What a key means for a send.
#[derive(Debug)]
pub(super) enum Turn {
    /// The first with this key: carry it out.
    First,
    /// A repeat: answer with the same message.
    Replay(Done),
}

impl Keys {
    /// Begins a send under a key.
    pub(super) fn begin(&mut self, account: &str, key: &str, fingerprint: &str, now: i64) -> Result<Turn, Refusal> {
        let place = (account.to_owned(), key.to_owned());
        let fingerprint = digest(&SHA256, fingerprint.as_bytes()).as_ref().to_vec();
        if self.seen.get(&place).is_some_and(|seen| now - seen.begun_at >= KEPT_MS) {
            self.seen.remove(&place);
        }
        match self.seen.get(&place) {
            Some(seen) if seen.fingerprint != fingerprint => {
                Err(Refusal::new(-1010, "the idempotency key was used with another body"))
            }
            Some(Seen { done: Some(done), .. }) => Ok(Turn::Replay(done.clone())),
            Some(_) => Err(Refusal::new(-1011, "the first request with this idempotency key is in progress")),
            None => {
                let seen = Seen { fingerprint, begun_at: now, done: None };
                self.order.push_back(place.clone());
                self.seen.insert(place, seen);
                Ok(Turn::First)
            }
        }
    }

    /// Forgets the oldest keys beyond `limit`.
    pub(super) fn limit(&mut self, limit: usize) {
        while self.order.len() > limit {
            if let Some(oldest) = self.order.pop_front() {
                self.seen.remove(&oldest);
            }
        }
    }

    /// Ends a send under a key; a refused one leaves no trace.
    pub(super) fn end(&mut self, account: &str, key: &str, done: Option<Done>) {
        let place = (account.to_owned(), key.to_owned());
        match done {
            None => {
                self.seen.remove(&place);
            }
            Some(done) => {
                if let Some(seen) = self.seen.get_mut(&place) {
                    seen.done = Some(done);
                }
            }
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done() -> Done {
        Done { message_id: "st_1".to_owned(), accepted_at: 5 }
    }

    #[test]
    fn a_repeat_gets_the_same_message_for_a_day() {
        let mut keys = Keys::default();
        assert!(matches!(keys.begin("a", "k", "body", 0), Ok(Turn::First)));
        keys.end("a", "k", Some(done()));
        assert!(matches!(keys.begin("a", "k", "body", KEPT_MS - 1), Ok(Turn::Replay(same)) if same == done()));
        assert!(matches!(keys.begin("a", "k", "body", KEPT_MS), Ok(Turn::First)));
    }

    #[test]
    fn another_body_and_a_send_in_progress_are_refused() {
        let mut keys = Keys::default();
        assert!(matches!(keys.begin("a", "k", "body", 0), Ok(Turn::First)));
        assert_eq!(keys.begin("a", "k", "body", 1).unwrap_err().code, -1011);
        assert_eq!(keys.begin("a", "k", "other", 1).unwrap_err().code, -1010);
        assert!(matches!(keys.begin("b", "k", "other", 1), Ok(Turn::First)));
    }

    #[test]
    fn a_refused_send_leaves_its_key_free() {
        let mut keys = Keys::default();
        assert!(matches!(keys.begin("a", "k", "body", 0), Ok(Turn::First)));
        keys.end("a", "k", None);
        assert!(matches!(keys.begin("a", "k", "corrected", 1), Ok(Turn::First)));
    }
}
