//! How fast a vendor account may be called: its own rate, and the pauses that the vendor asks for.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::time::Instant;

/// The pace of one account.
pub(super) struct Pace {
    limiter: Option<DefaultDirectRateLimiter>,
    paused_until: Mutex<Option<Instant>>,
}

impl Pace {
    /// `per_second`: calls a second, with a burst of as many; 0: as fast as the concurrency allows.
    pub(super) fn new(per_second: u32) -> Self {
        let limiter = NonZeroU32::new(per_second).map(|rate| RateLimiter::direct(Quota::per_second(rate)));
        Self { limiter, paused_until: Mutex::default() }
    }

    /// Waits until the rate allows a call.
    pub(super) async fn turn(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.until_ready().await;
        }
    }

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

/// A vendor that asks for more is tried again after this all the same.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
