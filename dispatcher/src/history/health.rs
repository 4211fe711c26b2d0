//! Whether the history can be used: asked regularly, since a process without sends must know it too, and at once when a
//! record is slow. A server that is merely slow answers the question, and records wait for it; one that has fallen silent
//! does not, and must not hold up its callers one by one.

use std::time::Duration;

use switchboard_runtime::http::Check;
use tokio::sync::{Notify, watch};

use crate::store::StoreError;

/// How often the store is asked while it answers.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often it is asked while it does not.
const IMPATIENT: Duration = Duration::from_millis(250);
/// How long it may take to answer while nobody waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the history answers, as far as is known. It does until it is known not to.
pub(super) struct Health {
    away: watch::Sender<bool>,
    doubted: Notify,
}

impl Default for Health {
    fn default() -> Self {
        Self { away: watch::Sender::new(false), doubted: Notify::new() }
    }
}

impl Health {
    pub(super) fn is_away(&self) -> bool {
        *self.away.borrow()
    }

    /// Returns once the history is known not to answer.
    pub(super) async fn is_lost(&self) {
        // The sender is ours: it cannot be gone.
        let _ = self.away.subscribe().wait_for(|away| *away).await;
    }

    /// A record is slow: the store is asked now.
    pub(super) fn doubt(&self) {
        self.doubted.notify_one();
    }

    fn set(&self, away: bool) {
        if self.away.send_replace(away) != away {
            metrics::gauge!("switchboard_history_available").set(if away { 0.0 } else { 1.0 });
            if away {
                tracing::error!("the history does not answer: sends and reports are refused until it does");
            } else {
                tracing::info!("the history answers again");
            }
        }
    }

    /// Asks the store again and again, and keeps the check true. In doubt the answer may take no longer than `quick`.
    pub(super) async fn watch<F>(&self, ask: impl Fn() -> F, check: &Check, quick: Duration)
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        metrics::gauge!("switchboard_history_available").set(1.0);
        let mut doubted = false;
        loop {
            let patience = if doubted { quick } else { PATIENCE };
            let answer = tokio::select! {
                biased;
                answer = tokio::time::timeout(patience, ask()) => answer,
                () = self.doubted.notified(), if !doubted => {
                    doubted = true;
                    continue;
                }
            };
            match answer {
                Ok(Ok(())) => {
                    self.set(false);
                    check.ready();
                }
                // What it waits for is said by who opens it.
                Ok(Err(StoreError::NotOpen)) => {}
                Ok(Err(error)) => {
                    self.set(true);
                    check.not_ready(error.to_string());
                }
                Err(_) => {
                    self.set(true);
                    check.not_ready("the history does not answer");
                }
            }
            doubted = tokio::select! {
                () = tokio::time::sleep(if self.is_away() { IMPATIENT } else { INTERVAL }) => false,
                () = self.doubted.notified() => true,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use switchboard_runtime::http::Readiness;
    use tokio::time::Instant;

    use super::*;

    const QUICK: Duration = Duration::from_millis(400);

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_server_that_has_fallen_silent() {
        let (health, readiness) = (Health::default(), Readiness::new());
        let check = readiness.register("history");
        let began = Instant::now();
        tokio::select! {
            () = health.watch(pending, &check, QUICK) => unreachable!("it watches for ever"),
            () = async { health.doubt(); health.is_lost().await } => {}
        }
        assert!(began.elapsed() <= QUICK + Duration::from_millis(10), "{:?}", began.elapsed());
        assert!(health.is_away() && !readiness.is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_slow_but_answers_is_waited_for() {
        let (health, readiness) = (Health::default(), Readiness::new());
        let check = readiness.register("history");
        let doubting = async {
            for _ in 0..100 {
                health.doubt();
                tokio::time::sleep(QUICK / 2).await;
            }
        };
        tokio::select! {
            () = health.watch(|| ready(Ok(())), &check, QUICK) => unreachable!("it watches for ever"),
            () = health.is_lost() => panic!("it answers"),
            () = doubting => {}
        }
        assert!(readiness.is_ready());
    }
}
