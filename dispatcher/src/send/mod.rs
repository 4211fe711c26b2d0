//! The way of a send: resolve, admit, record and commit, call, settle and commit, answer.
//!
//! Everything before the record may refuse, and then no message exists. From the record on the send goes to its end
//! whether or not anybody still waits for it.

mod execute;
mod plan;
mod recorded;
mod stopwatch;

use std::{sync::Arc, time::Duration};

use switchboard_runtime::{
    Ids, Lifecycle, SharedClock,
    trace::{self, Caller, Details, Work},
};
use tokio::time::Instant;

use self::{
    execute::SenderOf,
    stopwatch::{Stopwatch, Times},
};
use crate::{
    history::{History, HistoryError, Recorded},
    message::Message,
    outbound::Overloaded,
    prepare::{Draft, Invalid},
    resolver::{ResolveError, Resolver, Unroutable},
    store::NewMessage,
};

/// Why no message was made.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nothing is wrong with it, but it may not be sent now (an advertisement, at night).
    #[error(transparent)]
    HeldBack(Invalid),
    /// The mapping is not known.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The mapping leads nowhere.
    #[error(transparent)]
    Unroutable(#[from] Unroutable),
    /// No sender given, and the account has none.
    #[error("no sender is given and the vendor account {provider_account} has no default sender: give one")]
    NoSender {
        /// The account.
        provider_account: String,
        /// The field to fill.
        field: &'static str,
    },
    /// The lane is full.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The caller's deadline leaves no time.
    #[error("the caller's deadline leaves no time to send: allow at least {0:?}")]
    Deadline(Duration),
    /// The request id was used for other content.
    #[error("the request_id was used for another message with other content: use a new one for a new message")]
    RequestIdReused {
        /// The message it made.
        message_id: String,
    },
    /// The history cannot be written.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The process is about to end.
    #[error("this dispatcher is shutting down: send through another")]
    ShuttingDown,
}

/// What a send knows of the call that asked for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call {
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// The caller's trace.
    pub caller: Option<Caller>,
}

/// What a caller must leave of its deadline for a send to be begun.
const LEAST_TIME: Duration = Duration::from_millis(20);

/// Sends messages.
#[derive(Clone)]
pub struct Sends {
    resolver: Arc<Resolver>,
    history: History,
    clock: SharedClock,
    ids: Ids,
    lifecycle: Lifecycle,
    retry_for: Duration,
    call_within: Duration,
    times: Times,
}

impl Sends {
    /// Puts the parts together. `retry_for` is how long a send that the vendor has certainly not taken is tried again;
    /// `call_within` how long after what was last written of a message its vendor may be called.
    pub fn new(
        resolver: Arc<Resolver>,
        history: History,
        clock: SharedClock,
        ids: Ids,
        lifecycle: Lifecycle,
        retry_for: Duration,
        call_within: Duration,
    ) -> Self {
        Self { resolver, history, clock, ids, lifecycle, retry_for, call_within, times: Times::new() }
    }

    /// Sends a message; returns it as it stands once the vendor has answered.
    ///
    /// # Errors
    ///
    /// No message was made.
    pub async fn send(&self, draft: Draft, call: Call) -> Result<Arc<Message>, SendError> {
        // A repeat is answered even when the hour, today's mapping, limits or load would refuse a new message.
        let repeat = (draft.organization_id.clone(), draft.request_id.clone(), draft.fingerprint);
        match self.begin(draft, call).await {
            Ok(message) => Ok(message),
            Err(refusal @ (SendError::History(_) | SendError::RequestIdReused { .. })) => Err(refusal),
            Err(refusal) => {
                let (organization_id, request_id, fingerprint) = &repeat;
                match self.earlier(organization_id, request_id).await {
                    Some((message, known)) if known == *fingerprint => Ok(Arc::new(message)),
                    Some((message, _)) => Err(SendError::RequestIdReused { message_id: message.id }),
                    None => Err(refusal),
                }
            }
        }
    }

    async fn earlier(&self, organization_id: &str, request_id: &str) -> Option<(Message, crate::store::Fingerprint)> {
        if request_id.is_empty() {
            return None;
        }
        self.history.by_request_id(organization_id, request_id).await.ok().flatten()
    }

    async fn begin(&self, mut draft: Draft, call: Call) -> Result<Arc<Message>, SendError> {
        let (begun, Call { deadline, caller }) = (trace::begin(), call);
        let mut stopwatch = Stopwatch::start();
        if let Some(why) = draft.held_back.take() {
            return Err(SendError::HeldBack(why));
        }
        if self.lifecycle.is_draining() {
            return Err(SendError::ShuttingDown);
        }
        let entry = self.resolver.resolve(&draft.organization_id).await?;
        let choice = entry.choose(draft.channel, draft.to.e164())?;
        let admitted = choice.account.lane.admit(deadline).await?;
        if deadline.is_some_and(|deadline| deadline.saturating_duration_since(Instant::now()) < LEAST_TIME) {
            return Err(SendError::Deadline(LEAST_TIME));
        }
        let now = self.clock.now();
        let fingerprint = draft.fingerprint;
        let sender = if draft.sender.is_some() { SenderOf::Caller } else { SenderOf::Account };
        let message = plan::message(draft, &choice, self.ids.next(now), now)?;
        let retry_until = Instant::now() + self.retry_for;
        let retry_until = deadline.map_or(retry_until, |deadline| deadline.min(retry_until));
        let sends = self.clone();
        // Boxed: it is large, and on its way into a task it would be copied several times.
        let work = Box::pin(async move {
            let recording = trace::begin();
            match sends.history.record(NewMessage { message, fingerprint }).await? {
                Recorded::New(message) => {
                    recording.part(&message.id, "record", Work::Inner, Vec::new);
                    let message = sends.execute(message, choice, admitted, retry_until, sender, &mut stopwatch).await;
                    stopwatch.stop(&sends.times);
                    begun.whole(&message.id, "send", caller, || described(&message));
                    Ok(message)
                }
                Recorded::Existing(message) => Ok(Arc::new(*message)),
                Recorded::RequestIdReused { message_id } => Err(SendError::RequestIdReused { message_id }),
            }
        });
        // On its own from here: a caller that hangs up must not leave a message half sent.
        self.lifecycle.spawn_detached("send", work).await.unwrap_or(Err(SendError::History(HistoryError::Unavailable)))
    }
}

/// What a trace may say of a message: no number and no text.
fn described(message: &Message) -> Details {
    vec![
        ("message.id", message.id.clone()),
        ("organization.id", message.organization_id.clone()),
        ("message.channel", format!("{:?}", message.channel)),
        ("message.provider", message.route.provider.clone()),
        ("message.status", format!("{:?}", message.state.status())),
    ]
}
