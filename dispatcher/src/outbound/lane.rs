//! One vendor account's way out, and all of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use switchboard_providers::{
    MessageProvider,
    model::{Failure, FailureCode, SendOutcome},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tower::{Service as _, ServiceExt as _};

use super::{
    Outgoing,
    stack::{Call, Stack, stack},
};

/// Limits of one vendor account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls under way at once.
    pub concurrency: usize,
    /// Sends that wait for a place at most.
    pub queue: usize,
    /// How long a send waits for a place.
    pub queue_wait: Duration,
    /// How long a call may take; then its outcome is in doubt.
    pub send_timeout: Duration,
}

/// A vendor account's way out. Clones share the limits.
#[derive(Clone)]
pub struct Lane {
    shared: Arc<Shared>,
    provider: Arc<dyn MessageProvider>,
}

/// What survives a change of credentials: the account's limits are the account's.
struct Shared {
    provider_code: &'static str,
    limits: Limits,
    stack: Stack,
    /// Places in the queue and under way together.
    places: Arc<Semaphore>,
}

/// A place in a lane, from before the message is recorded until its outcome is known.
pub struct Admitted {
    stack: Stack,
    provider: Arc<dyn MessageProvider>,
    provider_code: &'static str,
    _place: OwnedSemaphorePermit,
}

/// The lane is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many sends wait for this vendor account: try again shortly")]
pub struct Overloaded {
    /// When it is worth another try.
    pub retry_after: Duration,
}

impl Lane {
    /// Reserves a place, waiting for one no longer than the lane's bound or the caller's deadline.
    ///
    /// # Errors
    ///
    /// When none came free in time.
    pub async fn admit(&self, deadline: Option<Instant>) -> Result<Admitted, Overloaded> {
        let Shared { limits, stack, places, provider_code } = &*self.shared;
        let overloaded = || {
            metrics::counter!("switchboard_sends_shed_total", "provider" => *provider_code).increment(1);
            Overloaded { retry_after: limits.queue_wait.max(Duration::from_secs(1)) }
        };
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| overloaded())?;
        let until = Instant::now() + limits.queue_wait;
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        let mut stack = stack.clone();
        match tokio::time::timeout_at(until, stack.ready()).await {
            Ok(Ok(_)) => {}
            _ => return Err(overloaded()),
        }
        Ok(Admitted { stack, provider: Arc::clone(&self.provider), provider_code, _place: place })
    }

    /// The vendor's client, for what is not a send.
    pub fn provider(&self) -> &Arc<dyn MessageProvider> {
        &self.provider
    }
}

impl Admitted {
    /// Calls the vendor.
    pub async fn send(mut self, message: Arc<Outgoing>, at: DateTime<Utc>) -> SendOutcome {
        let begun = Instant::now();
        let call = Call { provider: self.provider, message, at };
        let outcome = match self.stack.call(call).await {
            Ok(outcome) => outcome,
            Err(error) if error.is::<tower::timeout::error::Elapsed>() => {
                let detail = "the vendor did not answer in time; whether it has the message is not known";
                SendOutcome::InDoubt(Failure::new(FailureCode::ProviderTimeout, "", detail, false))
            }
            Err(error) => SendOutcome::InDoubt(Failure::new(FailureCode::Unknown, "", error.to_string(), false)),
        };
        let word = match &outcome {
            SendOutcome::Accepted(_) => "accepted",
            SendOutcome::Refused(_) => "refused",
            SendOutcome::InDoubt(_) => "in_doubt",
        };
        metrics::histogram!("switchboard_vendor_call_seconds", "provider" => self.provider_code, "outcome" => word)
            .record(begun.elapsed().as_secs_f64());
        outcome
    }
}

/// The lanes there are, by vendor and account. A change of the mapping must not forget what is under way, so they
/// outlive the entries that use them.
pub struct Lanes {
    limits: Limits,
    lanes: Mutex<HashMap<(&'static str, String), Arc<Shared>>>,
}

impl Lanes {
    /// None yet; each will have these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, lanes: Mutex::default() }
    }

    /// The lane of an account, with the client that its credentials open.
    pub fn lane(&self, provider_code: &'static str, account: &str, provider: Arc<dyn MessageProvider>) -> Lane {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = lanes.entry((provider_code, account.to_owned())).or_insert_with(|| {
            Arc::new(Shared {
                provider_code,
                limits: self.limits,
                stack: stack(&self.limits),
                places: Arc::new(Semaphore::new(self.limits.concurrency.saturating_add(self.limits.queue))),
            })
        });
        Lane { shared: Arc::clone(shared), provider }
    }
}
