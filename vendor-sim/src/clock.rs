//! The simulator's clock: the machine's, plus an offset that a test can set.
//!
//! Expiry of images, night hours and the tolerance of signatures all read this one, so a test moves time instead of
//! waiting for it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, FixedOffset, SecondsFormat, Timelike, Utc};

/// Korea has one offset and no summer time.
const KST_SECONDS: i32 = 9 * 3600;

#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_ms: AtomicI64,
}

impl Clock {
    /// Epoch milliseconds.
    #[expect(
        clippy::disallowed_methods,
        reason = "the simulator is the outside world: this is the one place where it reads the machine's clock"
    )]
    pub(crate) fn now_ms(&self) -> i64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX) + self.offset_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_offset_ms(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }
}

fn in_korea(at_ms: i64) -> DateTime<FixedOffset> {
    let utc = DateTime::<Utc>::from_timestamp_millis(at_ms).unwrap_or_default();
    match FixedOffset::east_opt(KST_SECONDS) {
        Some(korea) => utc.with_timezone(&korea),
        None => utc.fixed_offset(),
    }
}

/// RFC 3339 with milliseconds and Korea's offset, as SendTalk writes times.
pub(crate) fn rfc3339(at_ms: i64) -> String {
    in_korea(at_ms).to_rfc3339_opts(SecondsFormat::Millis, false)
}

/// Reads RFC 3339 with any offset into epoch milliseconds.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis())
}

/// 21:00–08:00 KST, when advertisements may not be sent.
pub(crate) fn is_night(at_ms: i64) -> bool {
    let hour = in_korea(at_ms).hour();
    !(8..21).contains(&hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_koreas_offset() {
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-15T07:13:20.123+09:00");
        assert_eq!(parse_rfc3339("2023-11-14T22:13:20.123Z"), Some(1_700_000_000_123));
    }

    #[test]
    fn night_is_from_nine_in_the_evening_to_eight_in_the_morning() {
        let at = |text| parse_rfc3339(text).unwrap();
        assert!(is_night(at("2026-03-01T21:00:00+09:00")));
        assert!(is_night(at("2026-03-01T07:59:59+09:00")));
        assert!(!is_night(at("2026-03-01T08:00:00+09:00")));
        assert!(!is_night(at("2026-03-01T20:59:59+09:00")));
    }
}
