//! The circuit breaker of a vendor account.
//!
//! It opens by failure rate over a window, never by a single failure, and counts only the vendor's own faults: a bad
//! phone number or an account without balance says nothing about whether the vendor works. After its pause a few calls
//! try the vendor; once one has succeeded, the number of calls under way grows back to the full width over the recovery
//! time, so that a vendor that has just come up is not knocked over by all the traffic at once.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use failsafe::{
    Instrument, StateMachine,
    backoff::{self, EqualJittered},
    failure_policy::{self, SuccessRateOverTimeWindow},
};
use futures::future::BoxFuture;
use switchboard_providers::model::{CallOutcome, Fault, Refusal, SendOutcome};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

/// When a vendor account is left alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Share of failed calls within the window that opens the breaker: above 0, at most 1.
    pub failure_rate: f64,
    /// The window.
    pub window: Duration,
    /// Calls within the window before the rate says anything.
    pub least_calls: u32,
    /// How long the account is left alone first; grows up to ten times that while it does not recover.
    pub pause: Duration,
    /// Calls under way at once that try it after the pause.
    pub trial_calls: usize,
    /// How long it takes from the first success back to the full width.
    pub recovery: Duration,
}

type Machine = StateMachine<SuccessRateOverTimeWindow<EqualJittered>, Watcher>;

/// The breaker of one account; services made by it share it.
#[derive(Clone)]
pub(super) struct Breaker {
    machine: Machine,
    shared: Arc<Shared>,
}

struct Shared {
    provider: &'static str,
    account: String,
    settings: BreakerSettings,
    /// Calls under way at once when all is well.
    width: usize,
    state: AtomicU8,
    under_way: AtomicUsize,
    closed_again: Mutex<Option<Instant>>,
}

const CLOSED: u8 = 0;
const TRYING: u8 = 1;
const OPEN: u8 = 2;
/// What the states are called, in their order.
pub(super) const STATES: [&str; 3] = ["closed", "trying", "open"];

/// Follows the state machine: for the log, and for the way back.
struct Watcher(Arc<Shared>);

impl Watcher {
    fn changed(&self, state: u8) {
        let before = self.0.state.swap(state, Ordering::AcqRel);
        if before == state {
            return;
        }
        tracing::warn!(
            provider = self.0.provider,
            account = self.0.account,
            state = STATES[usize::from(state)],
            "the breaker of a vendor account has changed"
        );
    }
}

impl Instrument for Watcher {
    fn on_call_rejected(&self) {
        metrics::counter!("switchboard_breaker_rejections_total", "provider" => self.0.provider).increment(1);
    }

    fn on_open(&self) {
        self.changed(OPEN);
    }

    fn on_half_open(&self) {
        self.changed(TRYING);
    }

    fn on_closed(&self) {
        if self.0.state.load(Ordering::Acquire) != CLOSED {
            *self.0.closed_again.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        self.changed(CLOSED);
    }
}

impl Breaker {
    /// The breaker of an account whose full width is `width` calls at once.
    pub(super) fn new(provider: &'static str, account: &str, settings: &BreakerSettings, width: usize) -> Self {
        let shared = Arc::new(Shared {
            provider,
            account: account.to_owned(),
            settings: *settings,
            width,
            state: AtomicU8::new(CLOSED),
            under_way: AtomicUsize::new(0),
            closed_again: Mutex::default(),
        });
        let success_rate = (1.0 - settings.failure_rate).clamp(0.0, 1.0);
        let pauses = backoff::equal_jittered(settings.pause, settings.pause * 10);
        let policy =
            failure_policy::success_rate_over_time_window(success_rate, settings.least_calls, settings.window, pauses);
        Self { machine: StateMachine::new(policy, Watcher(Arc::clone(&shared))), shared }
    }

    /// Its state, as a word.
    pub(super) fn state(&self) -> &'static str {
        STATES[usize::from(self.shared.state.load(Ordering::Acquire))]
    }

    /// Whether the vendor works as far as is known, and all traffic may go there.
    pub(super) fn is_well(&self) -> bool {
        self.shared.most_under_way() == usize::MAX
    }

    /// A place for one call; `None`: the vendor is left alone now.
    fn enter(&self) -> Option<Passage> {
        if !self.machine.is_call_permitted() {
            return None;
        }
        let most = self.shared.most_under_way();
        if self.shared.under_way.fetch_add(1, Ordering::AcqRel) >= most {
            self.shared.under_way.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        Some(Passage(Arc::clone(&self.shared)))
    }
}

impl Shared {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a small width"
    )]
    fn most_under_way(&self) -> usize {
        if self.state.load(Ordering::Acquire) != CLOSED {
            return self.settings.trial_calls;
        }
        let mut closed_again = self.closed_again.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(since) = *closed_again else { return usize::MAX };
        let share = since.elapsed().as_secs_f64() / self.settings.recovery.as_secs_f64().max(f64::MIN_POSITIVE);
        if share >= 1.0 {
            *closed_again = None;
            return usize::MAX;
        }
        self.settings.trial_calls.max((self.width as f64 * share) as usize)
    }
}

/// A call under way; its place is free again when this is dropped, however the call ends.
struct Passage(Arc<Shared>);

impl Drop for Passage {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether a call counts against the vendor's health: one whose answer is lost or tells of the vendor's fault, for half of
/// its messages where it tells for each.
fn is_vendors_fault(result: &Result<CallOutcome, BoxError>) -> bool {
    let Ok(outcome) = result else { return true };
    let outcomes = outcome.outcomes();
    let faults = outcomes.iter().filter(|outcome| match outcome {
        SendOutcome::Accepted(_) => false,
        SendOutcome::Refused(Refusal { fault, .. }) => *fault == Fault::Vendor,
        SendOutcome::InDoubt(_) => true,
    });
    2 * faults.count() >= outcomes.len()
}

impl<S> Layer<S> for Breaker {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { breaker: self.clone(), inner }
    }
}

/// A call was not let through, and nothing reached the vendor.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the vendor has failed too often and is left alone for now; it was not called")]
pub(super) struct LeftAlone;

/// A service behind the breaker. A call that may not pass ends with [`LeftAlone`].
#[derive(Clone)]
pub(super) struct Guarded<S> {
    breaker: Breaker,
    inner: S,
}

impl<S, R> Service<R> for Guarded<S>
where
    S: Service<R, Response = CallOutcome, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = CallOutcome;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<CallOutcome, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let Some(passage) = self.breaker.enter() else {
            return Box::pin(std::future::ready(Err(LeftAlone.into())));
        };
        let machine = self.breaker.machine.clone();
        let call = self.inner.call(request);
        Box::pin(async move {
            let result = call.await;
            drop(passage);
            if is_vendors_fault(&result) {
                machine.on_error();
            } else {
                machine.on_success();
            }
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use switchboard_providers::model::{Failure, FailureCode};

    use super::*;

    fn settings() -> BreakerSettings {
        BreakerSettings {
            failure_rate: 0.5,
            window: Duration::from_secs(30),
            least_calls: 10,
            pause: Duration::from_secs(3600),
            trial_calls: 2,
            recovery: Duration::from_secs(10),
        }
    }

    fn refusal(fault: Fault) -> SendOutcome {
        let failure = Failure::new(FailureCode::Unknown, "", "", false);
        SendOutcome::Refused(Refusal { failure, fault, retry_after: None })
    }

    /// Makes calls that all come to `outcome`, 100 ms apart; how many of them reached the vendor.
    fn calls(breaker: &Breaker, outcome: &SendOutcome, count: usize) -> usize {
        failsafe::clock::freeze(|clock| {
            let mut reached = 0;
            for _ in 0..count {
                clock.advance(Duration::from_millis(100));
                let called = AtomicUsize::new(0);
                let called = Arc::new(called);
                let (outcome, counter) = (outcome.clone(), Arc::clone(&called));
                let vendor = tower::service_fn(move |()| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    std::future::ready(Ok::<_, BoxError>(CallOutcome::All(outcome.clone())))
                });
                let passed = futures::executor::block_on(breaker.layer(vendor).call(())).is_ok();
                assert_eq!(passed, called.load(Ordering::Relaxed) == 1);
                reached += called.load(Ordering::Relaxed);
            }
            reached
        })
    }

    #[test]
    fn callers_mistakes_and_account_faults_never_open_it() {
        for fault in [Fault::Message, Fault::Account] {
            // One each: every frozen clock begins anew, and a breaker's time never goes back.
            let breaker = Breaker::new("cloudmsg", "svc-a", &settings(), 64);
            assert_eq!(calls(&breaker, &refusal(fault), 1000), 1000);
        }
    }

    #[test]
    fn a_call_for_many_fails_when_half_of_them_do() {
        let in_doubt = || SendOutcome::InDoubt(Failure::new(FailureCode::Unknown, "", "", false));
        let [wrong, vendors] = [Fault::Message, Fault::Vendor].map(refusal);
        let each = |outcomes: Vec<SendOutcome>| is_vendors_fault(&Ok(CallOutcome::Each(outcomes)));
        assert!(!each(vec![wrong.clone(), wrong.clone(), in_doubt()]));
        assert!(each(vec![wrong, vendors.clone(), in_doubt()]));
        assert!(is_vendors_fault(&Ok(CallOutcome::All(vendors))));
        assert!(is_vendors_fault(&Err("lost".into())));
    }

    #[test]
    fn it_opens_by_a_rate_over_the_window_and_not_before() {
        let breaker = Breaker::new("cloudmsg", "svc-a", &settings(), 64);
        let reached = calls(&breaker, &refusal(Fault::Vendor), 1000);
        // The window is 300 calls long here; then nothing passes for an hour.
        assert!((299..=301).contains(&reached), "{reached} of 1000 calls reached a vendor that always fails");
    }

    #[test]
    fn no_setting_that_is_allowed_keeps_an_account_from_being_opened() {
        let of = |failure_rate, within, recovery, trial_calls| crate::config::BreakerConfig {
            failure_rate,
            window: within,
            least_calls: 0,
            pause: within,
            trial_calls,
            recovery,
        };
        let extremes = [
            of(f64::MIN_POSITIVE, Duration::ZERO, Duration::ZERO, 1),
            of(0.5, Duration::from_millis(500), Duration::from_millis(500), 1),
            of(1.0, Duration::MAX, Duration::MAX, usize::MAX),
        ];
        for breaker in extremes {
            let config = crate::config::Config { breaker, ..crate::config::Config::default() };
            config.check().unwrap();
            let config = config.breaker;
            let breaker = Breaker::new("cloudmsg", "svc-a", &(&config).into(), 64);
            let accepted = SendOutcome::InDoubt(Failure::new(FailureCode::Unknown, "", "", false));
            calls(&breaker, &accepted, 3);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn traffic_comes_back_gradually() {
        let breaker = Breaker::new("cloudmsg", "svc-a", &settings(), 100);
        breaker.shared.state.store(OPEN, Ordering::Release);
        assert_eq!(breaker.shared.most_under_way(), 2);
        Watcher(Arc::clone(&breaker.shared)).on_closed();
        assert_eq!(breaker.shared.most_under_way(), 2);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(breaker.shared.most_under_way(), 50);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(breaker.shared.most_under_way(), usize::MAX);
    }
}
