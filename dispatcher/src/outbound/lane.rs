//! One vendor account's way out, and all of them.

use std::{
    collections::{BTreeMap, HashMap},
    iter,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use switchboard_providers::{
    MessageProvider, ResultsPage, ResultsSpan,
    model::{CallOutcome, Channel, Failure, FailureCode, Fault, LookUp, LookUpError, Refusal, Report, SendOutcome},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tower::{Service as _, ServiceExt as _, timeout::error::Elapsed};

use super::{
    BreakerSettings, Outgoing,
    breaker::{Breaker, LeftAlone, STATES},
    company::{Company, Place, Verdict},
    meter::Meter,
    pace::Pace,
    rate::Rate,
    stack::{Call, Stack, stack},
};

/// Limits of one vendor account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Sends under way at once, whether or not they share a call.
    pub concurrency: usize,
    /// Texts that go in one call at most, where the vendor takes several; below 2 each goes alone.
    pub texts_per_call: usize,
    /// Sends that wait for a place at most.
    pub queue: usize,
    /// How long a send waits for a place.
    pub queue_wait: Duration,
    /// How long a call may take; then its outcome is in doubt.
    pub send_timeout: Duration,
    /// When the account is left alone.
    pub breaker: BreakerSettings,
}

/// A vendor account's way out. All lanes of an account share its limits. What it takes to send is made when it is first
/// asked for: of a hundred thousand accounts most send nothing for hours.
pub struct Lane {
    lanes: Lanes,
    provider_code: &'static str,
    account: String,
    shared: OnceLock<Arc<Shared>>,
    provider: Arc<dyn MessageProvider>,
}

/// What survives a change of credentials: the account's limits are the account's.
struct Shared {
    provider_code: &'static str,
    limits: Limits,
    meter: Arc<Meter>,
    breaker: Breaker,
    stack: Stack,
    rate: Arc<dyn Rate>,
    /// The account's name where the rate is kept.
    rate_key: String,
    pace: Pace,
    company: Company,
    /// Places in the queue and under way together.
    places: Arc<Semaphore>,
}

/// A place in a lane, from before the message is recorded until its outcome is known.
pub struct Admitted {
    stack: Stack,
    shared: Arc<Shared>,
    provider: Arc<dyn MessageProvider>,
    _place: OwnedSemaphorePermit,
}

/// The lane is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many sends wait for this vendor account: try again shortly")]
pub struct Overloaded {
    /// When it is worth another try.
    pub retry_after: Duration,
}

impl Limits {
    /// Places of a lane: under way and waiting.
    fn places(&self) -> usize {
        self.concurrency.saturating_add(self.queue).clamp(1, Semaphore::MAX_PERMITS)
    }
}

impl Lane {
    fn shared(&self) -> &Arc<Shared> {
        self.shared.get_or_init(|| self.lanes.open(self.provider_code, &self.account))
    }

    /// Reserves a place, waiting for one no longer than the lane's bound or the caller's deadline.
    ///
    /// # Errors
    ///
    /// When none came free in time.
    pub async fn admit(&self, deadline: Option<Instant>) -> Result<Admitted, Overloaded> {
        let Shared { limits, stack, places, meter, rate, rate_key, .. } = &**self.shared();
        let overloaded = || {
            meter.shed();
            Overloaded { retry_after: limits.queue_wait.max(Duration::from_secs(1)) }
        };
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| overloaded())?;
        let until = Instant::now() + limits.queue_wait;
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        let mut stack = stack.clone();
        let ready = async {
            rate.turn(rate_key).await;
            stack.ready().await.is_ok()
        };
        if !timeout_at(until, ready).await.unwrap_or(false) {
            return Err(overloaded());
        }
        Ok(Admitted { stack, shared: Arc::clone(self.shared()), provider: Arc::clone(&self.provider), _place: place })
    }

    /// Counts what a message has come to with this account's vendor, after every attempt.
    pub fn sent(&self, channel: Channel, outcome: &SendOutcome) {
        self.shared().meter.sent(channel, outcome);
    }

    /// Asks the vendor what became of a message, within the account's rate.
    ///
    /// # Errors
    ///
    /// When the vendor could not be asked.
    pub async fn look_up(&self, what: LookUp<'_>, at: DateTime<Utc>) -> Result<Vec<Report>, LookUpError> {
        self.shared().ask(self.provider.look_up(what, at)).await
    }

    /// Asks the vendor for a page of its results feed, within the account's rate.
    ///
    /// # Errors
    ///
    /// When the vendor could not be asked.
    pub async fn results(&self, span: ResultsSpan<'_>, at: DateTime<Utc>) -> Result<ResultsPage, LookUpError> {
        self.shared().ask(self.provider.results(span, at)).await
    }
}

impl Shared {
    /// How a message goes. While it is not certain that the vendor works, none shares the risk of another's call.
    fn place(&self, provider: &Arc<dyn MessageProvider>, message: &Arc<Outgoing>) -> Place<'_> {
        if self.breaker.is_well() {
            self.company.join(provider, message, self.limits.texts_per_call)
        } else {
            Place::Alone
        }
    }

    /// Asks when it is the account's turn, unless the vendor has asked for a pause.
    async fn ask<T>(&self, question: impl Future<Output = Result<T, LookUpError>>) -> Result<T, LookUpError> {
        if let Some(rest) = self.pace.paused() {
            let detail = "the vendor has asked for a pause; it was not asked";
            let failure = Failure::new(FailureCode::ProviderThrottled, "", detail, true);
            return Err(LookUpError { failure, retry_after: Some(rest) });
        }
        self.rate.turn(&self.rate_key).await;
        let answer = question.await;
        if let Err(LookUpError { retry_after: Some(pause), .. }) = &answer {
            self.pace.pause(*pause);
        }
        answer
    }
}

impl Admitted {
    /// Sends a message, in one call with others of the account that are ready in the same moment where the vendor takes
    /// several. No call is made while the vendor has asked to be left alone: then the message is refused.
    pub async fn send(mut self, message: Arc<Outgoing>, at: DateTime<Utc>) -> SendOutcome {
        let shared = Arc::clone(&self.shared);
        let until = Instant::now() + shared.limits.send_timeout;
        let along = match shared.place(&self.provider, &message) {
            Place::Alone => Vec::new(),
            Place::First(lead) => lead.gather().await,
            Place::Along(verdict) => {
                return match verdict.await {
                    Ok(Verdict::Outcome(outcome)) => outcome,
                    Ok(Verdict::Alone) => self.send_alone_again(message, at, until).await,
                    Err(_) => given_up(),
                };
            }
        };
        if along.is_empty() {
            return only(self.call(vec![message], at).await);
        }
        let messages = iter::once(&message).chain(along.iter().map(|along| &along.message)).map(Arc::clone).collect();
        match self.call(messages, at).await {
            CallOutcome::Each(outcomes) => {
                let mut outcomes = outcomes.into_iter();
                let first = outcomes.next().unwrap_or_else(given_up);
                along.into_iter().zip(outcomes).for_each(|(along, outcome)| along.tell(Verdict::Outcome(outcome)));
                first
            }
            // Meant for somebody among them; the others were refused only for their company.
            CallOutcome::All(SendOutcome::Refused(Refusal { fault: Fault::Message | Fault::Account, .. })) => {
                along.into_iter().for_each(|along| along.tell(Verdict::Alone));
                self.send_alone_again(message, at, until).await
            }
            CallOutcome::All(outcome) => {
                along.into_iter().for_each(|along| along.tell(Verdict::Outcome(outcome.clone())));
                outcome
            }
        }
    }

    /// After a call in which it was not taken: a second one, in its turn. Both together take no longer than one may.
    async fn send_alone_again(mut self, message: Arc<Outgoing>, at: DateTime<Utc>, until: Instant) -> SendOutcome {
        let turn = self.shared.rate.turn(&self.shared.rate_key);
        if timeout_at(until, turn).await.is_err() {
            let detail = "the vendor refused a call for several, and may not be called again so soon";
            return spared(FailureCode::ProviderThrottled, detail, Duration::ZERO);
        }
        match timeout_at(until, self.call(vec![message], at)).await {
            Ok(outcome) => only(outcome),
            Err(_) => SendOutcome::InDoubt(late()),
        }
    }

    /// Calls the vendor once, unless it has asked to be left alone.
    async fn call(&mut self, messages: Vec<Arc<Outgoing>>, at: DateTime<Utc>) -> CallOutcome {
        if let Some(rest) = self.shared.pace.paused() {
            let detail = "the vendor has asked for a pause; it was not called";
            return CallOutcome::All(spared(FailureCode::ProviderThrottled, detail, rest));
        }
        let begun = Instant::now();
        let call = Call { provider: Arc::clone(&self.provider), messages, at };
        let called = match self.stack.ready().await {
            Ok(stack) => stack.call(call).await,
            Err(error) => Err(error),
        };
        let outcome = match called {
            Ok(outcome) => outcome,
            Err(error) if error.is::<LeftAlone>() => {
                let pause = self.shared.limits.breaker.pause;
                return CallOutcome::All(spared(FailureCode::ProviderUnavailable, error.to_string(), pause));
            }
            Err(error) if error.is::<Elapsed>() => CallOutcome::All(SendOutcome::InDoubt(late())),
            Err(error) => {
                let failure = Failure::new(FailureCode::Unknown, "", error.to_string(), false);
                CallOutcome::All(SendOutcome::InDoubt(failure))
            }
        };
        if let Some(pause) = outcome.outcomes().iter().filter_map(pause_asked_for).max() {
            self.shared.pace.pause(pause);
        }
        self.shared.meter.called(&outcome, begun.elapsed());
        outcome
    }
}

/// What a call for one message came to.
fn only(outcome: CallOutcome) -> SendOutcome {
    match outcome {
        CallOutcome::All(outcome) => outcome,
        CallOutcome::Each(outcomes) => outcomes.into_iter().next().unwrap_or_else(given_up),
    }
}

/// How long the vendor wants to be left alone.
fn pause_asked_for(outcome: &SendOutcome) -> Option<Duration> {
    match outcome {
        SendOutcome::Refused(Refusal { retry_after, fault: Fault::Vendor, .. }) => *retry_after,
        _ => None,
    }
}

fn given_up() -> SendOutcome {
    let detail = "the call in which it went with others was given up; whether the vendor has it is not known";
    SendOutcome::InDoubt(Failure::new(FailureCode::ProviderTimeout, "", detail, false))
}

fn late() -> Failure {
    let detail = "the vendor did not answer in time; whether it has the message is not known";
    Failure::new(FailureCode::ProviderTimeout, "", detail, false)
}

/// The vendor was not called, to leave it alone.
fn spared(code: FailureCode, detail: impl Into<String>, rest: Duration) -> SendOutcome {
    let failure = Failure::new(code, "", detail, true);
    SendOutcome::Refused(Refusal { failure, fault: Fault::Vendor, retry_after: Some(rest) })
}

/// The lanes there are, by vendor and account. A change of the mapping must not forget what is under way, so they
/// outlive the entries that use them. Clones are the same lanes.
#[derive(Clone)]
pub struct Lanes {
    inner: Arc<Inner>,
}

struct Inner {
    limits: Limits,
    rate: Arc<dyn Rate>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    lanes: HashMap<(&'static str, String), Arc<Shared>>,
    meters: HashMap<&'static str, Arc<Meter>>,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn meter(&mut self, provider_code: &'static str) -> Arc<Meter> {
        Arc::clone(self.meters.entry(provider_code).or_insert_with(|| Arc::new(Meter::new(provider_code))))
    }
}

/// How much of one vendor's lanes is in use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Sends that are under way or wait for a place, in all lanes.
    pub sends: usize,
    /// The share of its places that the fullest lane has given away: 1 is full.
    pub fullest: f64,
    /// How many accounts' breakers are in each state: `closed`, `trying`, `open`.
    pub breakers: BTreeMap<&'static str, u32>,
}

impl Lanes {
    /// None yet; each will have these limits and this rate.
    pub fn new(limits: Limits, rate: Arc<dyn Rate>) -> Self {
        Self { inner: Arc::new(Inner { limits, rate, open: Mutex::default() }) }
    }

    /// The lane of an account, with the client that its credentials open.
    pub fn lane(&self, provider_code: &'static str, account: &str, provider: Arc<dyn MessageProvider>) -> Lane {
        // A vendor's figures are there before its first send.
        self.inner.lock().meter(provider_code);
        Lane { lanes: self.clone(), provider_code, account: account.to_owned(), shared: OnceLock::new(), provider }
    }

    fn open(&self, provider_code: &'static str, account: &str) -> Arc<Shared> {
        let Inner { limits, rate, .. } = &*self.inner;
        let mut open = self.inner.lock();
        let key = (provider_code, account.to_owned());
        if let Some(known) = open.lanes.get(&key) {
            return Arc::clone(known);
        }
        let breaker = Breaker::new(provider_code, account, &limits.breaker, limits.concurrency);
        let shared = Arc::new(Shared {
            provider_code,
            limits: *limits,
            meter: open.meter(provider_code),
            stack: stack(breaker.clone(), limits),
            breaker,
            rate: Arc::clone(rate),
            rate_key: format!("{provider_code}:{account}"),
            pace: Pace::default(),
            company: Company::default(),
            places: Arc::new(Semaphore::new(limits.places())),
        });
        open.lanes.insert(key, Arc::clone(&shared));
        shared
    }

    /// How much of the lanes is in use, by vendor.
    #[expect(clippy::cast_precision_loss, reason = "a share of a small width")]
    pub fn usage(&self) -> BTreeMap<&'static str, Usage> {
        let open = self.inner.lock();
        let mut usage: BTreeMap<&'static str, Usage> = BTreeMap::new();
        for shared in open.lanes.values() {
            let of_vendor = usage
                .entry(shared.provider_code)
                .or_insert_with(|| Usage { breakers: STATES.map(|state| (state, 0)).into(), ..Usage::default() });
            let places = shared.limits.places();
            let taken = places - shared.places.available_permits().min(places);
            of_vendor.sends += taken;
            of_vendor.fullest = of_vendor.fullest.max(taken as f64 / places as f64);
            *of_vendor.breakers.entry(shared.breaker.state()).or_default() += 1;
        }
        usage
    }
}
