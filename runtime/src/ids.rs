//! Time-ordered identifiers (UUIDv7, RFC 9562), made from an instant that is given.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// Makes identifiers that sort as text in the order in which this process made them, even within one millisecond and
/// even when the clock steps back. Clones share the order.
#[derive(Clone)]
pub struct Ids {
    context: Arc<Mutex<ContextV7>>,
}

impl Ids {
    /// A fresh generator. One per process is enough.
    #[must_use]
    pub fn new() -> Self {
        Self { context: Arc::new(Mutex::new(ContextV7::new())) }
    }

    /// The next identifier, lower-case and hyphenated. An instant before 1970 counts as 1970.
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>) -> String {
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        let context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        let timestamp = Timestamp::from_unix(&*context, seconds, now.timestamp_subsec_nanos());
        Uuid::new_v7(timestamp).hyphenated().to_string()
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn ids_grow_within_one_instant_and_when_the_clock_steps_back() {
        let ids = Ids::new();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let mut made: Vec<String> = (0..1_000).map(|_| ids.next(now)).collect();
        made.extend((0..1_000).map(|back| ids.next(now - TimeDelta::milliseconds(back))));
        assert!(made.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn an_id_carries_its_instant_and_version() {
        let now = DateTime::from_timestamp(1_700_000_000, 123_000_000).unwrap();
        let id = Uuid::parse_str(&Ids::new().next(now)).unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_timestamp().unwrap().to_unix(), (1_700_000_000, 123_000_000));
    }
}
