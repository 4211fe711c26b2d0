//! Scripted faults: which request they hit and what happens to it.
//!
//! Rules are tried in the order they were added and the first that hits wins. A fault is either *before* the vendor
//! looks at the request (nothing is accepted) or *after* it (the message exists, the answer is lost or spoilt): that
//! difference is what a client must not guess.

mod fault;

use serde::{Deserialize, Serialize};

pub use self::fault::{Fault, RetryAfterForm};
use crate::ids::mix;
use crate::journal::Operation;
use crate::phone::subscriber;

/// Which requests a rule is about; an empty one means every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultMatch {
    /// Only this kind of request.
    pub operation: Option<Operation>,
    /// Only when path and query contain this.
    pub path: Option<String>,
    /// Only when the body names this recipient, in either written form.
    pub to: Option<String>,
    /// Only when path, body or idempotency key contain this reference.
    pub reference: Option<String>,
    /// Only requests of this service id or account id.
    pub account: Option<String>,
}

/// A fault with the requests it hits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// What happens.
    pub fault: Fault,
    /// To which requests.
    #[serde(default)]
    pub on: FaultMatch,
    /// How many requests it hits before it is used up; none: until it is deleted. Default 1.
    #[serde(default = "once")]
    pub times: Option<u32>,
    /// How many matching requests pass before the first is hit. Default 0.
    #[serde(default)]
    pub skip: u32,
    /// Chance of hitting each matching request, 0–1. Default 1.
    #[serde(default)]
    pub probability: Option<f64>,
    /// Seed of the chance: the same seed hits the same requests.
    #[serde(default)]
    pub seed: u64,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn once() -> Option<u32> {
    Some(1)
}

impl FaultRule {
    /// Hits the next request that matches `on`, once.
    #[must_use]
    pub fn once(fault: Fault, on: FaultMatch) -> Self {
        Self { fault, on, times: Some(1), skip: 0, probability: None, seed: 0 }
    }

    /// Hits the next send, once.
    #[must_use]
    pub fn next_send(fault: Fault) -> Self {
        Self::once(fault, FaultMatch { operation: Some(Operation::Send), ..FaultMatch::default() })
    }

    /// Hits as often as it matches, until deleted.
    #[must_use]
    pub fn always(fault: Fault, on: FaultMatch) -> Self {
        Self { times: None, ..Self::once(fault, on) }
    }
}

/// What a rule looks at.
pub(crate) struct Facts<'a> {
    pub(crate) operation: Operation,
    pub(crate) target: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) idempotency_key: &'a str,
    pub(crate) account: Option<&'a str>,
}

impl FaultMatch {
    fn covers(&self, facts: &Facts<'_>) -> bool {
        let within = |needle: &str| {
            facts.target.contains(needle) || facts.idempotency_key.contains(needle) || holds(facts.body, needle)
        };
        self.operation.is_none_or(|operation| operation == facts.operation)
            && self.path.as_deref().is_none_or(|path| facts.target.contains(path))
            && self.to.as_deref().is_none_or(|to| holds(facts.body, &subscriber(to)))
            && self.reference.as_deref().is_none_or(within)
            && self.account.as_deref().is_none_or(|account| facts.account == Some(account))
    }
}

fn holds(body: &[u8], needle: &str) -> bool {
    !needle.is_empty() && body.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[derive(Debug)]
struct Armed {
    rule: FaultRule,
    skipped: u32,
    hits: u32,
    draws: u64,
}

impl Armed {
    fn draw(&mut self) -> bool {
        let Some(probability) = self.rule.probability else {
            return true;
        };
        self.draws += 1;
        let bits = mix(self.rule.seed ^ mix(self.draws)) >> 40;
        // 24 bits fit a float exactly.
        f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / f64::from(1u32 << 24) < probability
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
}

impl Faults {
    pub(crate) fn add(&mut self, rule: FaultRule) {
        self.armed.push(Armed { rule, skipped: 0, hits: 0, draws: 0 });
    }

    pub(crate) fn rules(&self) -> Vec<FaultRule> {
        self.armed
            .iter()
            .map(|armed| FaultRule {
                times: armed.rule.times.map(|times| times.saturating_sub(armed.hits)),
                ..armed.rule.clone()
            })
            .collect()
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    /// The fault for this request, if a rule hits it.
    pub(crate) fn take(&mut self, facts: &Facts<'_>) -> Option<Fault> {
        for index in 0..self.armed.len() {
            let armed = &mut self.armed[index];
            if !armed.rule.on.covers(facts) {
                continue;
            }
            if armed.skipped < armed.rule.skip {
                armed.skipped += 1;
                continue;
            }
            if !armed.draw() {
                continue;
            }
            armed.hits += 1;
            let fault = armed.rule.fault.clone();
            if armed.rule.times.is_some_and(|times| armed.hits >= times) {
                self.armed.remove(index);
            }
            return Some(fault);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(body: &str) -> Facts<'_> {
        Facts {
            operation: Operation::Send,
            target: "/v1/sms",
            body: body.as_bytes(),
            idempotency_key: "key-1",
            account: Some("acct_a"),
        }
    }

    #[test]
    fn a_rule_is_used_up_after_its_hits_and_lets_the_first_ones_pass() {
        let mut faults = Faults::default();
        faults.add(FaultRule { times: Some(2), skip: 1, ..FaultRule::next_send(Fault::TruncatedJson) });
        let hits: Vec<bool> = (0..5).map(|_| faults.take(&send("{}")).is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert!(faults.rules().is_empty());
    }

    #[test]
    fn a_recipient_is_found_in_either_written_form() {
        let on = FaultMatch { to: Some("010-1234-5678".to_owned()), ..FaultMatch::default() };
        let mut faults = Faults::default();
        faults.add(FaultRule::always(Fault::Unauthorized, on));
        assert!(faults.take(&send(r#"{"to":"+821012345678"}"#)).is_some());
        assert!(faults.take(&send(r#"{"to":"01012345678"}"#)).is_some());
        assert!(faults.take(&send(r#"{"to":"01012345679"}"#)).is_none());
    }

    #[test]
    fn a_seed_replays_the_same_hits() {
        let run = |seed| {
            let mut faults = Faults::default();
            faults.add(FaultRule {
                probability: Some(0.3),
                seed,
                ..FaultRule::always(Fault::Unauthorized, FaultMatch::default())
            });
            (0..200).map(|_| faults.take(&send("{}")).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let hits = run(7).into_iter().filter(|hit| *hit).count();
        assert!((30..90).contains(&hits), "{hits}");
    }

    #[test]
    fn a_script_reads_as_documented() {
        let rule: FaultRule =
            serde_json::from_str(r#"{"fault":{"kind":"throttle","after_s":2},"on":{"operation":"send"}}"#).unwrap();
        assert_eq!(rule.times, Some(1));
        assert_eq!(rule.fault, Fault::Throttle { after_s: 2, form: RetryAfterForm::Native });
        assert!(serde_json::from_str::<FaultRule>(r#"{"fault":{"kind":"throttle","aftr":2}}"#).is_err());
    }
}
