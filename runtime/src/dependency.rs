//! What a service needs and that may come later than the service itself: its database.
//!
//! The process is up meanwhile: it is alive, it is not ready and says what it waits for, and its calls are answered that
//! they cannot be served yet. What is set wrongly does not get better by waiting, and ends the start.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::sync::{Notify, oneshot};

use crate::{http::Check, lifecycle::Lifecycle};

/// Shortest wait between two attempts.
const SHORTEST: Duration = Duration::from_millis(100);
/// Longest wait between two attempts.
const LONGEST: Duration = Duration::from_secs(5);

/// Why something could not be reached.
#[derive(Debug)]
pub enum Unreached {
    /// It is not there, or not yet as it must be: trying again may help.
    Absent(anyhow::Error),
    /// It will not come about without a change of the settings.
    Wrong(anyhow::Error),
}

/// Something that is waited for. Clones wait for the same.
#[derive(Clone, Debug)]
pub struct Dependency {
    name: &'static str,
    check: Check,
    absent: Arc<Notify>,
}

impl Dependency {
    /// Something that people know as `name`; `check` says what is wrong as long as it is waited for.
    pub fn new(name: &'static str, check: Check) -> Self {
        Self { name, check, absent: Arc::default() }
    }

    /// Tries again and again, for as long as it is absent.
    ///
    /// # Errors
    /// What is set wrongly.
    pub async fn reach<T, F>(&self, mut attempt: impl FnMut() -> F) -> anyhow::Result<T>
    where
        F: Future<Output = Result<T, Unreached>>,
    {
        let delays = ExponentialBuilder::default().with_min_delay(SHORTEST).with_max_delay(LONGEST).with_jitter();
        let mut delays = delays.without_max_times().build();
        loop {
            match attempt().await {
                Ok(reached) => return Ok(reached),
                Err(Unreached::Wrong(why)) => return Err(why),
                Err(Unreached::Absent(why)) => {
                    self.check.not_ready(format!("waits for {}: {why:#}", self.name));
                    metrics::counter!("switchboard_dependency_waits_total", "dependency" => self.name).increment(1);
                    self.absent.notify_one();
                }
            }
            tokio::time::sleep(delays.next().unwrap_or(LONGEST)).await;
        }
    }

    /// Carries on with `opening`, which reaches for this, until it is done or the process drains. Returns once it is done,
    /// or once it is clear that it takes until something comes; what turns out to be wrong after that ends the process.
    ///
    /// # Errors
    /// What is set wrongly.
    pub async fn open<F>(&self, lifecycle: &Lifecycle, opening: F) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (early, outcome) = oneshot::channel();
        let draining = lifecycle.draining();
        lifecycle.spawn(self.name, async move {
            let Some(opened) = draining.run_until_cancelled(opening).await else { return Ok(()) };
            match early.send(opened) {
                Ok(()) => Ok(()),
                // Nobody waits for it any more.
                Err(opened) => opened,
            }
        });
        tokio::select! {
            biased;
            opened = outcome => opened.unwrap_or(Ok(())),
            () = self.absent.notified() => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        sync::atomic::{AtomicU32, Ordering},
    };

    use super::*;
    use crate::http::Readiness;

    fn dependency() -> (Dependency, Readiness, Lifecycle) {
        let readiness = Readiness::new();
        (Dependency::new("the database", readiness.register("store")), readiness, Lifecycle::new())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_absent_is_waited_for_and_said() {
        let (database, readiness, lifecycle) = dependency();
        let attempts = Arc::new(AtomicU32::new(0));
        let (reaching, counted, check) = (database.clone(), Arc::clone(&attempts), readiness.register("store"));
        let opening = async move {
            let attempt = || {
                ready(match counted.fetch_add(1, Ordering::Relaxed) {
                    0..5 => Err(Unreached::Absent(anyhow::anyhow!("connection refused"))),
                    _ => Ok(()),
                })
            };
            reaching.reach(attempt).await?;
            check.ready();
            Ok(())
        };
        database.open(&lifecycle, opening).await.unwrap();
        let said = format!("{readiness:?}");
        assert!(said.contains("waits for the database: connection refused"), "{said}");
        readiness.watch().wait_for(|ready| *ready).await.unwrap();
        assert_eq!(attempts.load(Ordering::Relaxed), 6);
        lifecycle.shutdown().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_ends_the_start_at_once() {
        let (database, _, lifecycle) = dependency();
        let reaching = database.clone();
        let opening = async move {
            let attempt = || ready(Err::<(), _>(Unreached::Wrong(anyhow::anyhow!("no such user"))));
            reaching.reach(attempt).await
        };
        let why = database.open(&lifecycle, opening).await.unwrap_err();
        assert_eq!(why.to_string(), "no such user");
        lifecycle.shutdown().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_turns_out_wrong_after_a_wait_ends_the_process() {
        let (database, _, lifecycle) = dependency();
        let (reaching, attempts) = (database.clone(), AtomicU32::new(0));
        let opening = async move {
            let attempt = || {
                ready(match attempts.fetch_add(1, Ordering::Relaxed) {
                    0 => Err::<(), _>(Unreached::Absent(anyhow::anyhow!("connection refused"))),
                    _ => Err(Unreached::Wrong(anyhow::anyhow!("no such user"))),
                })
            };
            reaching.reach(attempt).await
        };
        database.open(&lifecycle, opening).await.unwrap();
        let why = lifecycle.wait().await.unwrap_err().to_string();
        assert!(why.contains("no such user"), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_is_told_to_end_while_it_waits_ends_well() {
        let (database, _, lifecycle) = dependency();
        let reaching = database.clone();
        let opening = async move {
            let attempt = || ready(Err::<(), _>(Unreached::Absent(anyhow::anyhow!("connection refused"))));
            reaching.reach(attempt).await
        };
        database.open(&lifecycle, opening).await.unwrap();
        lifecycle.shutdown().await.unwrap();
    }
}
