//! The pauses that a vendor asks for.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A vendor that asks for more is tried again after this all the same.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Until when an account is to be left alone.
#[derive(Default)]
pub(super) struct Pace {
    paused_until: Mutex<Option<Instant>>,
}

impl Pace {
    /// The vendor asks to be left alone.
    pub(super) fn pause(&self, time: Duration) {
        let until = Instant::now() + time.min(LONGEST_PAUSE);
        let mut paused = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = Some(paused.map_or(until, |known| known.max(until)));
    }

    /// How long the vendor is still to be left alone.
    pub(super) fn paused(&self) -> Option<Duration> {
        let until = (*self.paused_until.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(until.saturating_duration_since(Instant::now())).filter(|rest| !rest.is_zero())
    }
}
