//! From the record on: call the vendor, at most once fail over, write what it came to.

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use switchboard_providers::model::{Acceptance, Failure, FailureCode, Fault, Refusal, SendOutcome};
use switchboard_runtime::SharedClock;

use super::plan::route;
use crate::{
    history::History,
    message::{Message, Settlement},
    outbound::{Admitted, Outgoing},
    resolver::Choice,
};

/// What a recorded message needs to come to its end.
pub(super) struct Execution {
    pub(super) history: History,
    pub(super) clock: SharedClock,
    pub(super) choice: Choice,
    pub(super) admitted: Admitted,
}

impl Execution {
    /// Calls the vendor and writes what it came to. The message as it stands then.
    pub(super) async fn run(self, message: Message) -> Message {
        let Self { history, clock, choice, admitted } = self;
        let outgoing = match Outgoing::try_from(&message) {
            Ok(outgoing) => Arc::new(outgoing),
            Err(error) => {
                let failure = Failure::new(FailureCode::Unknown, "", error.to_string(), false);
                return settle(&history, &clock, message, Settlement::Refused(failure)).await;
            }
        };
        let outcome = admitted.send(Arc::clone(&outgoing), clock.now()).await;
        let SendOutcome::Refused(refusal) = outcome else {
            return settle(&history, &clock, message, settlement(outcome)).await;
        };
        // Proven not accepted, and another vendor may well take it: the one case in which a second one is asked.
        let backup = choice.backups.first().filter(|_| refusal.fault != Fault::Message);
        let Some(backup) = backup else {
            return settle(&history, &clock, message, Settlement::Refused(refusal.failure)).await;
        };
        let Ok(admitted) = backup.lane.admit(None).await else {
            return settle(&history, &clock, message, Settlement::Refused(refusal.failure)).await;
        };
        let other_way =
            Settlement::Failover { route: route(backup, choice.config_revision), failure: refusal.failure.clone() };
        // Committed before the second vendor is called: after a crash the right one is asked.
        let Ok(message) = history.settle(&message.id, other_way, clock.now()).await else {
            return settle(&history, &clock, message, Settlement::Refused(refusal.failure)).await;
        };
        metrics::counter!("switchboard_failovers_total", "to" => backup.vendor.code).increment(1);
        let outcome = admitted.send(outgoing, clock.now()).await;
        settle(&history, &clock, message, settlement(outcome)).await
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

/// Writes what the call came to. If the history stays away, the row says `REQUESTED` and is looked up later; the caller is
/// told what is known.
async fn settle(history: &History, clock: &SharedClock, message: Message, settlement: Settlement) -> Message {
    let at = clock.now();
    let attempt = || history.settle(&message.id, settlement.clone(), at);
    let patience = ExponentialBuilder::default().with_min_delay(Duration::from_millis(50)).with_max_times(5);
    match attempt.retry(patience).await {
        Ok(stored) => stored,
        Err(error) => {
            tracing::error!(message_id = message.id, %error, "what a send came to is not stored; it will be looked up");
            let mut message = message;
            message.settle(settlement, at);
            message
        }
    }
}
