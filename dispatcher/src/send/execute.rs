//! From the record on: call the vendor, at most once fail over, write what it came to.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder, Retryable as _};
use chrono::{DateTime, Utc};
use switchboard_providers::model::{Acceptance, Failure, FailureCode, Fault, Refusal, SendOutcome};
use switchboard_runtime::trace::{self, Work};
use tokio::time::Instant;

use super::{Sends, plan::route, stopwatch::Stopwatch};
use crate::{
    message::{Message, Settlement},
    outbound::{Admitted, Outgoing},
    resolver::{Account, Choice},
};

/// Wait before the first retry; grows from there.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// Whose word a message's sender is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SenderOf {
    /// The caller's: no other will do.
    Caller,
    /// The account's, as the caller gave none: another account has another.
    Account,
}

impl Sends {
    /// Calls the vendor for a recorded message and writes what it came to; the message as it stands then. A send that was
    /// certainly not taken is tried again until `retry_until`.
    pub(super) async fn execute(
        &self,
        message: Arc<Message>,
        choice: Choice,
        admitted: Admitted,
        retry_until: Instant,
        sender: SenderOf,
        stopwatch: &mut Stopwatch,
    ) -> Arc<Message> {
        let outgoing = match Outgoing::try_from(&*message) {
            Ok(outgoing) => Arc::new(outgoing),
            Err(error) => {
                let failure = Failure::new(FailureCode::Unknown, "", error.to_string(), false);
                return self.settle(message, Settlement::Refused(failure)).await;
            }
        };
        // With another vendor to ask there is no point in waiting for this one.
        let patience = if choice.backups.is_empty() { retry_until } else { Instant::now() };
        let calling = self.call(&message, &choice.account, admitted, &outgoing, patience);
        let Some(outcome) = stopwatch.with_vendor(calling).await else { return message };
        choice.account.lane.sent(outgoing.channel(), &outcome);
        let SendOutcome::Refused(refusal) = outcome else {
            return self.settle(message, settlement(outcome)).await;
        };
        // Proven not accepted, and another vendor may well take it: the one case in which a second one is asked.
        let backup = choice.backups.first().filter(|_| refusal.fault != Fault::Message);
        let Some(backup) = backup else {
            return self.settle(message, Settlement::Refused(refusal.failure)).await;
        };
        let Ok(admitted) = backup.lane.admit(None).await else {
            return self.settle(message, Settlement::Refused(refusal.failure)).await;
        };
        let others_sender =
            backup.default_sender.as_ref().filter(|_| sender == SenderOf::Account && !message.sender.is_empty());
        let other_way = Settlement::Failover {
            route: route(backup, choice.config_revision),
            sender: others_sender.map(|sender| sender.as_str().to_owned()),
            failure: refusal.failure.clone(),
        };
        // Committed before the second vendor is called: after a crash the right one is asked.
        let Ok(settled) = self.history.settle_known(&message, other_way, self.clock.now()).await else {
            return self.settle(message, Settlement::Refused(refusal.failure)).await;
        };
        metrics::counter!("switchboard_failovers_total", "to" => backup.vendor.code).increment(1);
        let outgoing = match others_sender {
            None => outgoing,
            Some(_) => {
                let whole = Message { content: message.content.clone(), ..Message::clone(&settled.message) };
                Outgoing::try_from(&whole).map_or(outgoing, Arc::new)
            }
        };
        let calling = self.call(&settled.message, backup, admitted, &outgoing, retry_until);
        let Some(outcome) = stopwatch.with_vendor(calling).await else { return settled.message };
        backup.lane.sent(outgoing.channel(), &outcome);
        self.settle(settled.message, settlement(outcome)).await
    }

    /// Calls a vendor; again while it says, before `until`, that it has not taken the message by its own fault. `None`: it was
    /// not called.
    async fn call(
        &self,
        message: &Message,
        account: &Account,
        admitted: Admitted,
        outgoing: &Arc<Outgoing>,
        until: Instant,
    ) -> Option<SendOutcome> {
        let delays = ExponentialBuilder::default().with_min_delay(FIRST_RETRY).with_jitter().without_max_times();
        let mut delays = delays.build();
        let once = async |admitted: Admitted| {
            let begun = trace::begin();
            let now = self.clock.now();
            if self.is_given_up(message, now) {
                tracing::warn!(
                    message_id = message.id,
                    "not sent: this process stood still for so long that it is looked up"
                );
                return None;
            }
            let outcome = admitted.send(Arc::clone(outgoing), now).await;
            begun.part(&message.id, "vendor call", Work::Call, || {
                vec![("provider", account.vendor.code.to_owned()), ("outcome", word(&outcome).to_owned())]
            });
            Some(outcome)
        };
        let mut outcome = once(admitted).await?;
        loop {
            let SendOutcome::Refused(Refusal { failure, fault: Fault::Vendor, retry_after }) = &outcome else {
                return Some(outcome);
            };
            let delay = delays.next().unwrap_or(FIRST_RETRY).max(retry_after.unwrap_or_default());
            if !failure.retryable || Instant::now() + delay >= until {
                return Some(outcome);
            }
            tokio::time::sleep(delay).await;
            let Ok(admitted) = account.lane.admit(Some(until)).await else { return Some(outcome) };
            metrics::counter!("switchboard_send_retries_total", "provider" => account.vendor.code).increment(1);
            match once(admitted).await {
                Some(next) => outcome = next,
                None => return Some(outcome),
            }
        }
    }

    /// Whether others may take this process for dead by the time the vendor answers, and send the message themselves.
    fn is_given_up(&self, message: &Message, now: DateTime<Utc>) -> bool {
        (now - message.last_written()).to_std().is_ok_and(|since| since > self.call_within)
    }

    /// Writes what the call came to. If the history stays away, the row says `REQUESTED` and is looked up later; the
    /// caller is told what is known, but of no failure: the look-up finds that the vendor does not have the message, and it
    /// is sent once more, which whoever believes that it has failed would do as well.
    async fn settle(&self, message: Arc<Message>, settlement: Settlement) -> Arc<Message> {
        let (at, begun) = (self.clock.now(), trace::begin());
        let attempt = || self.history.settle_known(&message, settlement.clone(), at);
        let written = match attempt().await {
            Err(_) => {
                let patience =
                    ExponentialBuilder::default().with_min_delay(Duration::from_millis(50)).with_max_times(4);
                tokio::time::sleep(Duration::from_millis(50)).await;
                // Boxed: what is hardly ever needed does not make every send larger.
                Box::pin(attempt.retry(patience)).await
            }
            written => written,
        };
        match written {
            Ok(settled) => {
                begun.part(&settled.message.id, "store outcome", Work::Inner, Vec::new);
                self.follow_up(settled.fallback);
                settled.message
            }
            Err(error) => {
                let message_id = &message.id;
                tracing::error!(message_id, %error, "what a send came to is not stored; it will be looked up");
                if matches!(settlement, Settlement::Refused(_)) {
                    return message;
                }
                let mut message = Message::clone(&message);
                message.settle(settlement, at);
                Arc::new(message)
            }
        }
    }
}

fn word(outcome: &SendOutcome) -> &'static str {
    match outcome {
        SendOutcome::Accepted(_) => "accepted",
        SendOutcome::Refused(_) => "refused",
        SendOutcome::InDoubt(_) => "in_doubt",
    }
}

fn settlement(outcome: SendOutcome) -> Settlement {
    match outcome {
        SendOutcome::Accepted(Acceptance { provider_message_id, accept_time }) => {
            Settlement::Accepted { provider_message_id, accept_time }
        }
        SendOutcome::Refused(Refusal { failure, .. }) => Settlement::Refused(failure),
        SendOutcome::InDoubt(failure) => Settlement::InDoubt(failure),
    }
}
