//! Instants and durations to and from protobuf, with the ranges that `google/protobuf/timestamp.proto` and
//! `duration.proto` state.

use std::time::Duration;

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use thiserror::Error;

/// 0001-01-01T00:00:00Z, the first instant a `Timestamp` may hold.
const FIRST_SECOND: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z, the last second a `Timestamp` may hold.
pub const LAST_SECOND: i64 = 253_402_300_799;
/// 10,000 years in seconds, the largest magnitude of a `Duration`.
const LONGEST_DURATION: i64 = 315_576_000_000;

/// A value that the protobuf type, or ours, cannot hold.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OutOfRange {
    /// Not between the years 1 and 9999, or its nanoseconds not between 0 and 999,999,999.
    #[error("the instant ({seconds} s, {nanos} ns) is out of range: years 0001 to 9999, nanoseconds 0 to 999999999")]
    Timestamp {
        /// Seconds since 1970.
        seconds: i64,
        /// Nanoseconds of the second.
        nanos: i32,
    },
    /// Negative, longer than 10,000 years, or its nanoseconds not between 0 and 999,999,999.
    #[error("the duration ({seconds} s, {nanos} ns) is out of range: zero to 10000 years, not negative")]
    Duration {
        /// Whole seconds.
        seconds: i64,
        /// Nanoseconds of the second.
        nanos: i32,
    },
}

/// An instant as protobuf. Every instant of our clocks and stores is inside the range of the type.
#[must_use]
pub fn to_timestamp(instant: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: instant.timestamp(),
        // Below 2,000,000,000 even in a leap second, so it always fits.
        nanos: i32::try_from(instant.timestamp_subsec_nanos().min(999_999_999)).unwrap_or(0),
    }
}

/// An instant from protobuf.
///
/// # Errors
/// [`OutOfRange::Timestamp`] outside the years 1 to 9999 or with nanoseconds that are not a fraction of a second.
pub fn from_timestamp(timestamp: &Timestamp) -> Result<DateTime<Utc>, OutOfRange> {
    let &Timestamp { seconds, nanos } = timestamp;
    let error = OutOfRange::Timestamp { seconds, nanos };
    let fraction = nanoseconds(nanos).ok_or(error)?;
    if !(FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
        return Err(error);
    }
    DateTime::from_timestamp(seconds, fraction).ok_or(error)
}

/// A duration from protobuf; ours are never negative.
///
/// # Errors
/// [`OutOfRange::Duration`] when negative or longer than 10,000 years.
pub fn to_std_duration(duration: &prost_types::Duration) -> Result<Duration, OutOfRange> {
    let &prost_types::Duration { seconds, nanos } = duration;
    let error = OutOfRange::Duration { seconds, nanos };
    let fraction = nanoseconds(nanos).ok_or(error)?;
    if !(0..=LONGEST_DURATION).contains(&seconds) {
        return Err(error);
    }
    let seconds = u64::try_from(seconds).map_err(|_| error)?;
    Ok(Duration::new(seconds, fraction))
}

/// A duration as protobuf; one longer than 10,000 years becomes 10,000 years.
#[must_use]
pub fn from_std_duration(duration: Duration) -> prost_types::Duration {
    match i64::try_from(duration.as_secs()) {
        Ok(seconds) if seconds < LONGEST_DURATION => {
            prost_types::Duration { seconds, nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0) }
        }
        _ => prost_types::Duration { seconds: LONGEST_DURATION, nanos: 0 },
    }
}

fn nanoseconds(nanos: i32) -> Option<u32> {
    u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_come_back_as_they_went() {
        for (seconds, nanos) in
            [(0, 0), (1_700_000_000, 123_456_000), (-1, 999_999_000), (FIRST_SECOND, 0), (LAST_SECOND, 999_999_999)]
        {
            let instant = DateTime::from_timestamp(seconds, nanos).unwrap();
            assert_eq!(from_timestamp(&to_timestamp(instant)), Ok(instant));
        }
    }

    #[test]
    fn instants_out_of_range_say_so() {
        for (seconds, nanos) in
            [(LAST_SECOND + 1, 0), (FIRST_SECOND - 1, 0), (0, -1), (0, 1_000_000_000), (i64::MAX, 0)]
        {
            let error = from_timestamp(&Timestamp { seconds, nanos }).unwrap_err();
            assert!(error.to_string().contains("out of range"), "{error}");
        }
    }

    #[test]
    fn durations_come_back_as_they_went() {
        for duration in [Duration::ZERO, Duration::new(86_400, 999_999_999)] {
            assert_eq!(to_std_duration(&from_std_duration(duration)), Ok(duration));
        }
        let longest = from_std_duration(Duration::MAX);
        assert!(to_std_duration(&longest).is_ok());
    }

    #[test]
    fn negative_and_endless_durations_are_out_of_range() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (LONGEST_DURATION + 1, 0), (1, i32::MAX)] {
            let error = to_std_duration(&prost_types::Duration { seconds, nanos }).unwrap_err();
            assert_eq!(error, OutOfRange::Duration { seconds, nanos });
        }
    }
}
