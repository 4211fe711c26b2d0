//! The time as an argument, so that a test can say what time it is.
//!
//! This is the only place that asks the operating system; everything else takes an instant or a [`SharedClock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Says what time it is, in whole microseconds: what both storage engines keep without loss.
pub trait Clock: Send + Sync + 'static {
    /// The present instant, truncated to microseconds.
    fn now(&self) -> DateTime<Utc>;
}

/// A clock that several tasks share.
pub type SharedClock = Arc<dyn Clock>;

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The system clock, ready to be handed around.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where time enters the program")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

/// A clock that moves only when told to. For tests; clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    microseconds: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        Self { microseconds: Arc::new(AtomicI64::new(now.timestamp_micros())) }
    }

    /// Moves to `now`, which may lie in the past.
    pub fn set(&self, now: DateTime<Utc>) {
        self.microseconds.store(now.timestamp_micros(), Ordering::SeqCst);
    }

    /// Moves on by `step`; a negative step moves back.
    pub fn advance(&self, step: TimeDelta) {
        let step = step.num_microseconds().unwrap_or(i64::MAX);
        self.microseconds.fetch_add(step, Ordering::SeqCst);
    }

    /// The same clock as a [`SharedClock`].
    #[must_use]
    pub fn shared(&self) -> SharedClock {
        Arc::new(self.clone())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.microseconds.load(Ordering::SeqCst)).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_shows_whole_microseconds() {
        assert_eq!(SystemClock.now().timestamp_subsec_nanos() % 1_000, 0);
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(DateTime::UNIX_EPOCH);
        let other = clock.shared();
        clock.advance(TimeDelta::seconds(90));
        assert_eq!(other.now().timestamp(), 90);
        clock.set(DateTime::UNIX_EPOCH);
        assert_eq!(other.now().timestamp(), 0);
    }
}
