//! Where answers come from and how old they are; each send asks, so the handles are made once.

use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The cache, which is believed.
    Memory,
    /// Config-service, asked about this one organisation.
    Refreshed,
    /// The cache, since config-service cannot be reached.
    Stale,
    /// Nowhere.
    Unavailable,
}

const WORDS: [&str; 4] = ["memory", "refreshed", "stale", "unavailable"];

/// The counts.
pub(super) struct Answers([(Counter, Histogram); WORDS.len()]);

impl Answers {
    pub(super) fn new() -> Self {
        Self(WORDS.map(|source| {
            let count = counter!("switchboard_resolver_answers_total", "source" => source);
            count.increment(0);
            (count, histogram!("switchboard_resolver_answer_age_seconds", "source" => source))
        }))
    }

    /// An answer from memory while the stream is healthy, which every change comes over: it has no age.
    pub(super) fn count_current(&self) {
        self.0[Origin::Memory as usize].0.increment(1);
    }

    /// An answer, and how old it was.
    pub(super) fn count(&self, origin: Origin, age: Option<Duration>) {
        let (count, ages) = &self.0[origin as usize];
        count.increment(1);
        if let Some(age) = age {
            ages.record(age);
        }
    }
}
