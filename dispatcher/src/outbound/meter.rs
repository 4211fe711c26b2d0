//! What is measured of a vendor, on the way of every send: all handles are made once.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};
use switchboard_providers::model::{CallOutcome, Channel, SendOutcome};

const OUTCOMES: [&str; 3] = ["accepted", "refused", "in_doubt"];

/// The figures of one vendor, whatever the account.
pub(super) struct Meter {
    /// By channel and outcome.
    sends: [[Counter; OUTCOMES.len()]; Channel::ALL.len()],
    /// By outcome.
    calls: [Histogram; OUTCOMES.len()],
    shed: Counter,
}

impl Meter {
    pub(super) fn new(provider: &'static str) -> Self {
        let sends = Channel::ALL.map(|channel| {
            OUTCOMES.map(|outcome| {
                let labels = [("provider", provider), ("channel", channel.as_str()), ("outcome", outcome)];
                existing(counter!("switchboard_sends_total", &labels))
            })
        });
        let calls = OUTCOMES
            .map(|outcome| histogram!("switchboard_vendor_call_seconds", "provider" => provider, "outcome" => outcome));
        let shed = existing(counter!("switchboard_sends_shed_total", "provider" => provider));
        Self { sends, calls, shed }
    }

    /// What a message has come to with this vendor, after every attempt.
    pub(super) fn sent(&self, channel: Channel, outcome: &SendOutcome) {
        self.sends[channel as usize][position(outcome)].increment(1);
    }

    /// One call, by what most of its messages came to.
    pub(super) fn called(&self, outcome: &CallOutcome, took: Duration) {
        let mut counts = [0; OUTCOMES.len()];
        outcome.outcomes().iter().for_each(|outcome| counts[position(outcome)] += 1);
        let most = counts.iter().enumerate().max_by_key(|(_, count)| **count);
        self.calls[most.map_or(0, |(position, _)| position)].record(took);
    }

    /// No place for a send.
    pub(super) fn shed(&self) {
        self.shed.increment(1);
    }
}

/// A counter that is 0 before it first counts, so that its first step is seen.
fn existing(counter: Counter) -> Counter {
    counter.increment(0);
    counter
}

fn position(outcome: &SendOutcome) -> usize {
    match outcome {
        SendOutcome::Accepted(_) => 0,
        SendOutcome::Refused(_) => 1,
        SendOutcome::InDoubt(_) => 2,
    }
}
