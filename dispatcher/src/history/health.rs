//! Whether the history can be used: asked regularly, since a process without sends must know it too, and at once when a
//! write has waited too long. While it cannot, writes that somebody waits for are refused without being tried: a server
//! that has fallen silent must not hold up its callers one by one.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use switchboard_runtime::http::Check;
use tokio::sync::Notify;

use crate::store::Store;

/// How often the store is asked while it answers.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often it is asked while it does not.
const IMPATIENT: Duration = Duration::from_millis(250);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the history answers, as far as is known. It does until it is known not to.
#[derive(Default)]
pub(super) struct Health {
    away: AtomicBool,
    doubted: Notify,
}

impl Health {
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }

    /// A write has waited too long.
    pub(super) fn doubt(&self) {
        self.set(true);
        self.doubted.notify_one();
    }

    fn set(&self, away: bool) {
        if self.away.swap(away, Ordering::AcqRel) != away {
            metrics::gauge!("switchboard_history_available").set(if away { 0.0 } else { 1.0 });
            if away {
                tracing::error!("the history does not answer: sends and reports are refused until it does");
            } else {
                tracing::info!("the history answers again");
            }
        }
    }

    /// Asks the store again and again, and keeps the check true.
    pub(super) async fn watch(&self, store: &dyn Store, check: &Check) {
        metrics::gauge!("switchboard_history_available").set(1.0);
        loop {
            match tokio::time::timeout(PATIENCE, store.ping()).await {
                Ok(Ok(())) => {
                    self.set(false);
                    check.ready();
                }
                // What it waits for is said by who opens it.
                Ok(Err(crate::store::StoreError::NotOpen)) => {}
                Ok(Err(error)) => {
                    self.set(true);
                    check.not_ready(error.to_string());
                }
                Err(_) => {
                    self.set(true);
                    check.not_ready("the history does not answer");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(if self.is_away() { IMPATIENT } else { INTERVAL }) => {}
                () = self.doubted.notified() => {}
            }
        }
    }
}
