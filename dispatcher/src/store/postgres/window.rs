//! When a message was made, as far as its id says: a look-up by id then opens one partition, not all.

use chrono::{DateTime, TimeDelta, Utc};

/// How far a message's time may lie from its id's: ids do not go back when the clock does.
const SLACK: TimeDelta = TimeDelta::seconds(10);

/// A span of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
}

impl Window {
    /// All of time.
    pub(super) fn open() -> Self {
        // From the year 1 to the year 9999: what both sides can say.
        let year = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        Self { from: year(-62_135_596_800), until: year(253_402_300_799) }
    }

    /// Where to look first. Ids of the history before this one say nothing about their time.
    pub(super) fn of(message_id: &str) -> Self {
        match made_at(message_id) {
            Some(time) => Self { from: time - SLACK, until: time + SLACK },
            None => Self::open(),
        }
    }
}

/// The time in a UUIDv7 (RFC 9562: 48 bits of milliseconds, then the version).
fn made_at(id: &str) -> Option<DateTime<Utc>> {
    let hyphens = [8, 13, 18, 23].into_iter().all(|place| id.as_bytes().get(place) == Some(&b'-'));
    if id.len() != 36 || !hyphens || id.as_bytes().get(14) != Some(&b'7') {
        return None;
    }
    let millis = i64::from_str_radix(&format!("{}{}", id.get(..8)?, id.get(9..13)?), 16).ok()?;
    // What lies beyond the year 3000 only looks like one.
    DateTime::from_timestamp_millis(millis).filter(|_| millis < 32_503_680_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_v7_says_when_it_was_made() {
        let time = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let id = switchboard_runtime::Ids::new().next(time);
        assert_eq!(made_at(&id), Some(time));
        let window = Window::of(&id);
        assert!(window.from < time && time < window.until && window.until - window.from < TimeDelta::minutes(1));
    }

    #[test]
    fn other_ids_say_nothing() {
        for id in [
            "",
            "old-1",
            "7",
            "9c5b94b1-35ad-49bb-b118-8e8fc24abf80",
            "ffffffff-ffff-7fff-bfff-ffffffffffff",
            "가가가가가가가가가가가가",
        ] {
            assert_eq!(Window::of(id), Window::open(), "{id}");
        }
    }
}
