//! What becomes of a message after it was accepted.
//!
//! Looked up in this order: the outcome of the fault that hit the send, rules added at run time (the latest first), the
//! magic numbers below, delivered.
//!
//! # Magic numbers
//!
//! | recipient | what happens |
//! | --- | --- |
//! | `010-0000-CCCC`, `CCCC` a delivery code (1001, 2000, 2001, 2003, 2005, 3001, 3006, 3011, 3012) | fails with that code |
//! | `010-0000-CCCC`, `CCCC` one of Kakao's codes (3016, 3018, 3019, 3020) | an Alimtalk fails with it; anything else is delivered, so a fallback arrives |
//! | `010-0000-3005` | an Alimtalk is sent, unconfirmed; anything else is delivered |
//! | `010-0000-9001` | stays accepted, no callback |
//! | `010-0000-9002` | stays with the carrier |
//! | `010-0000-9003` | delivered, no callback ever comes |
//! | `010-0000-9004` | delivered, every callback comes twice |
//! | `010-0000-9005` | delivered, the callbacks come in the wrong order |
//! | `010-0000-9006` | delivered, the callbacks come before the answer to the send |
//! | `010-0000-9007` | a status word that no document lists |
//! | `010-0000-9008` | fails with code 9999, which no document lists |
//! | `010-0000-9101` | this recipient is refused: CloudMsg 1001 inside a 202, SendTalk −2019 |
//! | any other | delivered |

use serde::{Deserialize, Serialize};

use crate::message::Channel;
use crate::phone::subscriber;

/// How a message ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// It arrives.
    #[default]
    Delivered,
    /// It does not.
    Failed {
        /// Delivery code.
        code: String,
    },
    /// Kakao's 3005.
    Unconfirmed {
        /// Delivered after this many milliseconds more; none: never heard of again.
        #[serde(default)]
        delivered_after_ms: Option<u64>,
    },
    /// Never leaves the vendor.
    StayAccepted,
    /// Never comes back from the carrier.
    StayWithCarrier,
    /// A status word that no document lists, for good.
    Other {
        /// The word.
        word: String,
        /// A code beside it.
        #[serde(default)]
        code: Option<String>,
    },
}

/// Which callbacks are sent for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Callbacks {
    /// In order, once.
    #[default]
    Normal,
    /// None: lost for ever.
    Lost,
    /// Each one twice, with the same event id.
    Twice,
    /// The result first, then "with the carrier".
    Reversed,
    /// All before the answer to the send.
    BeforeAnswer,
}

/// What becomes of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// How it ends.
    #[serde(flatten)]
    pub end: End,
    /// Which callbacks are sent.
    pub callbacks: Callbacks,
    /// Instead of the setting of the same name.
    pub accepted_for_ms: Option<u64>,
    /// Instead of the setting of the same name.
    pub with_carrier_for_ms: Option<u64>,
}

impl Outcome {
    /// Ends so, with normal callbacks.
    #[must_use]
    pub fn of(end: End) -> Self {
        Self { end, ..Self::default() }
    }

    /// Fails with a delivery code.
    #[must_use]
    pub fn failed(code: &str) -> Self {
        Self::of(End::Failed { code: code.to_owned() })
    }

    /// Delivered, with callbacks of this kind.
    #[must_use]
    pub fn with_callbacks(callbacks: Callbacks) -> Self {
        Self { callbacks, ..Self::default() }
    }
}

/// An outcome with the messages it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutcomeRule {
    /// Only this recipient, in either written form; a leading `*` means "ends with".
    pub to: Option<String>,
    /// Only this kind of message.
    pub channel: Option<Channel>,
    /// Only messages of this service id or account id.
    pub account: Option<String>,
    /// How many messages before the rule is used up; none: until it is deleted.
    pub times: Option<u32>,
    /// What becomes of them.
    pub outcome: Outcome,
}

impl OutcomeRule {
    fn covers(&self, account: &str, channel: Channel, to: &str) -> bool {
        self.account.as_deref().is_none_or(|wanted| wanted == account)
            && self.channel.is_none_or(|wanted| wanted == channel)
            && self.to.as_deref().is_none_or(|wanted| match wanted.strip_prefix('*') {
                Some(ending) => subscriber(to).ends_with(ending),
                None => subscriber(to) == subscriber(wanted),
            })
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    rules: Vec<OutcomeRule>,
}

impl Outcomes {
    pub(crate) fn add(&mut self, rule: OutcomeRule) {
        self.rules.push(rule);
    }

    pub(crate) fn rules(&self) -> &[OutcomeRule] {
        &self.rules
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// What becomes of a message to `to`.
    pub(crate) fn choose(&mut self, account: &str, channel: Channel, to: &str) -> Outcome {
        for index in (0..self.rules.len()).rev() {
            if !self.rules[index].covers(account, channel, to) {
                continue;
            }
            let outcome = self.rules[index].outcome.clone();
            if let Some(times) = &mut self.rules[index].times {
                *times = times.saturating_sub(1);
                if *times == 0 {
                    self.rules.remove(index);
                }
            }
            return outcome;
        }
        magic_ending(to).map_or_else(Outcome::default, |ending| magic(ending, channel))
    }
}

/// Whether this recipient is refused at the send.
pub(crate) fn is_refused_number(to: &str) -> bool {
    magic_ending(to).as_deref() == Some("9101")
}

fn magic_ending(to: &str) -> Option<String> {
    let digits = subscriber(to);
    digits.strip_prefix("100000").filter(|ending| ending.len() == 4).map(str::to_owned)
}

fn magic(ending: String, channel: Channel) -> Outcome {
    let kakao = channel == Channel::Alimtalk;
    match ending.as_str() {
        "1001" | "2000" | "2001" | "2003" | "2005" | "3001" | "3006" | "3011" | "3012" => {
            Outcome::of(End::Failed { code: ending })
        }
        "3016" | "3018" | "3019" | "3020" if kakao => Outcome::of(End::Failed { code: ending }),
        "3005" if kakao => Outcome::of(End::Unconfirmed { delivered_after_ms: None }),
        "9001" => Outcome::of(End::StayAccepted),
        "9002" => Outcome::of(End::StayWithCarrier),
        "9003" => Outcome::with_callbacks(Callbacks::Lost),
        "9004" => Outcome::with_callbacks(Callbacks::Twice),
        "9005" => Outcome::with_callbacks(Callbacks::Reversed),
        "9006" => Outcome::with_callbacks(Callbacks::BeforeAnswer),
        "9007" => Outcome::of(End::Other { word: "HANDED_OVER".to_owned(), code: None }),
        "9008" => Outcome::failed("9999"),
        _ => Outcome::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magic_numbers_work_in_both_written_forms() {
        let mut outcomes = Outcomes::default();
        for to in ["01000002003", "+821000002003"] {
            assert_eq!(outcomes.choose("a", Channel::Sms, to), Outcome::failed("2003"));
        }
    }

    #[test]
    fn a_kakao_code_fails_the_alimtalk_and_not_its_fallback() {
        let mut outcomes = Outcomes::default();
        assert_eq!(outcomes.choose("a", Channel::Alimtalk, "01000003019"), Outcome::failed("3019"));
        assert_eq!(outcomes.choose("a", Channel::Sms, "01000003019"), Outcome::default());
    }

    #[test]
    fn the_latest_rule_wins_until_it_is_used_up() {
        let mut outcomes = Outcomes::default();
        outcomes.add(OutcomeRule { outcome: Outcome::failed("1001"), ..OutcomeRule::default() });
        outcomes.add(OutcomeRule {
            to: Some("*5678".to_owned()),
            times: Some(1),
            outcome: Outcome::failed("2005"),
            ..OutcomeRule::default()
        });
        assert_eq!(outcomes.choose("a", Channel::Sms, "01012345678"), Outcome::failed("2005"));
        assert_eq!(outcomes.choose("a", Channel::Sms, "01012345678"), Outcome::failed("1001"));
    }

    #[test]
    fn an_outcome_reads_as_documented() {
        let outcome: Outcome = serde_json::from_str(r#"{"end":"failed","code":"2003","callbacks":"twice"}"#).unwrap();
        assert_eq!(outcome, Outcome { callbacks: Callbacks::Twice, ..Outcome::failed("2003") });
        assert_eq!(serde_json::from_str::<Outcome>(r#"{"end":"stay_accepted"}"#).unwrap().end, End::StayAccepted);
    }
}
