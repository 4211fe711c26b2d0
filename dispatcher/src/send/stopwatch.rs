//! How long a send takes, and how much of that is ours and not the vendor's.

use std::{future::Future, time::Duration};

use metrics::{Histogram, histogram};
use tokio::time::Instant;

/// Where the times go; made once.
#[derive(Clone)]
pub(super) struct Times {
    whole: Histogram,
    own: Histogram,
}

impl Times {
    pub(super) fn new() -> Self {
        Self { whole: histogram!("switchboard_send_seconds"), own: histogram!("switchboard_send_own_seconds") }
    }
}

/// The time of one send.
pub(super) struct Stopwatch {
    begun: Instant,
    with_vendor: Duration,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self { begun: Instant::now(), with_vendor: Duration::ZERO }
    }

    /// Does something that is the vendor's time: its answer, and what it makes us wait between two attempts.
    pub(super) async fn with_vendor<T>(&mut self, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        self.with_vendor += begun.elapsed();
        done
    }

    /// The send is at its end.
    pub(super) fn stop(self, times: &Times) {
        let whole = self.begun.elapsed();
        times.whole.record(whole);
        times.own.record(whole.saturating_sub(self.with_vendor));
    }
}
