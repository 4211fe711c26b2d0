//! The state machine. Every change of a message goes through here, whichever way it came: the vendor's answer to a send,
//! a callback, a look-up.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use switchboard_providers::model::{Failure, FallbackReport, Report as VendorReport, ReportedStatus};

use super::{Content, EventKind, FallbackText, Message, Receipt, Route, State, Status, event::Event};

/// What a send came to.
#[derive(Clone, Debug)]
pub enum Settlement {
    /// The vendor has the message.
    Accepted {
        /// The vendor's id.
        provider_message_id: String,
        /// When the vendor says it accepted it.
        accept_time: Option<DateTime<Utc>>,
    },
    /// The vendor certainly does not have it, and nobody else will be asked.
    Refused(Failure),
    /// Nobody knows.
    InDoubt(Failure),
    /// The vendor certainly does not have it, and another one is asked.
    Failover {
        /// The other way.
        route: Route,
        /// The other account's default sender, where the caller has left that to the account; `None`: it stays.
        sender: Option<String>,
        /// Why not the first.
        failure: Failure,
    },
    /// The vendor was proved not to have it, and is asked once more.
    Resend,
    /// The result horizon has passed.
    Unresolved,
}

/// What a vendor said about a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The vendor's id; empty if it gave none.
    pub provider_message_id: String,
    /// `None`: an unknown word.
    pub status: Option<ReportedStatus>,
    /// The word as it came.
    pub provider_status: String,
    /// Why, if it failed.
    pub failure: Option<Failure>,
    /// When it happened, to the microsecond.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub occur_time: DateTime<Utc>,
    /// What the vendor's own fallback did, in one sentence; empty: it speaks of none.
    #[serde(default)]
    pub fallback: String,
}

impl Report {
    /// What a vendor said, in a callback or when it was asked.
    pub fn of_vendor(report: VendorReport, now: DateTime<Utc>) -> Self {
        Self {
            provider_message_id: report.provider_message_id,
            status: report.status,
            provider_status: report.provider_status,
            failure: report.failure,
            occur_time: report.occur_time.unwrap_or(now),
            fallback: report.fallback.as_ref().map(vendors_fallback).unwrap_or_default(),
        }
    }
}

/// What the vendor's own fallback did, for the timeline.
pub fn vendors_fallback(fallback: &FallbackReport) -> String {
    let status = match fallback.status {
        None => "reported on",
        Some(ReportedStatus::Delivered) => "delivered",
        Some(ReportedStatus::Failed) => "failed",
        Some(ReportedStatus::Queued | ReportedStatus::Sent) => "sent",
    };
    let why = fallback.failure.as_ref().map(|failure| format!(" ({})", failure.code.as_str())).unwrap_or_default();
    format!("the vendor's own text in its place, {}, is {status}{why}", fallback.provider_message_id)
}

/// What a report did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The message moved.
    Moved,
    /// It is past that already; written to the timeline.
    Stale,
    /// Another final result than the first; written to the timeline.
    Conflict,
    /// A word that no document names; written to the timeline.
    Unknown,
}

impl Message {
    /// Applies what a send came to. A callback may have overtaken it: then only what is missing is added.
    pub fn settle(&mut self, settlement: Settlement, at: DateTime<Utc>) {
        match settlement {
            Settlement::Accepted { provider_message_id, accept_time } => {
                let receipt = Receipt { provider_message_id, accept_time: accept_time.unwrap_or(at) };
                match &mut self.state {
                    State::Requested | State::InDoubt | State::Unresolved(None) => self.state = State::Queued(receipt),
                    State::Queued(known) | State::Sent(known) | State::Delivered { receipt: known, .. } => {
                        *known = receipt;
                    }
                    State::Failed { receipt: known, .. } | State::Unresolved(known) => *known = Some(receipt),
                }
                self.note(EventKind::Accepted, at, "", None);
            }
            Settlement::Refused(failure) => {
                if matches!(self.state, State::Requested | State::InDoubt) {
                    self.state = State::Failed { receipt: None, failure: failure.clone(), result_time: at };
                    self.note(EventKind::Refused, at, failure.detail.clone(), Some(failure));
                } else {
                    self.note(
                        EventKind::Conflict,
                        at,
                        "the vendor refused what it has already reported on",
                        Some(failure),
                    );
                }
            }
            Settlement::InDoubt(failure) => {
                if matches!(self.state, State::Requested) {
                    self.state = State::InDoubt;
                }
                self.note(EventKind::InDoubt, at, failure.detail.clone(), Some(failure));
            }
            Settlement::Failover { route, sender, failure } => {
                let detail = format!("{} → {}: {}", self.route.provider, route.provider, failure.detail);
                self.route = route;
                if let Some(sender) = sender {
                    self.sender = sender;
                }
                self.note(EventKind::Failover, at, detail, Some(failure));
            }
            Settlement::Resend => {
                if matches!(self.state, State::InDoubt) {
                    self.state = State::Requested;
                    self.note(EventKind::Resent, at, "the vendor does not have it: it is sent once more", None);
                }
            }
            Settlement::Unresolved => {
                if !self.state.is_final() && !matches!(self.state, State::Unresolved(_)) {
                    self.state = State::Unresolved(self.state.receipt().cloned());
                    self.note(EventKind::Unresolved, at, "no result came in time; a late one still counts", None);
                }
            }
        }
    }

    /// Applies what a vendor said later.
    pub fn report(&mut self, report: &Report, at: DateTime<Utc>) -> Applied {
        let (applied, next) = self.judge(report, at);
        if let Some(next) = next {
            self.state = next;
        }
        let kind = match applied {
            Applied::Moved => EventKind::Reported,
            Applied::Stale => EventKind::Stale,
            Applied::Conflict => EventKind::Conflict,
            Applied::Unknown => EventKind::UnknownStatus,
        };
        self.push(Event {
            kind,
            status: self.state.status(),
            occur_time: report.occur_time,
            record_time: at,
            provider: self.route.provider.clone(),
            detail: report.provider_status.clone(),
            failure: report.failure.clone(),
        });
        if !report.fallback.is_empty() {
            self.note(EventKind::Fallback, at, report.fallback.clone(), None);
        }
        applied
    }

    /// Whether any report has reached it: each leaves a line, whatever came of it.
    pub fn was_reported_on(&self) -> bool {
        use EventKind::{Conflict, Reported, Stale, UnknownStatus};
        self.events.iter().any(|event| matches!(event.kind, Reported | Stale | Conflict | UnknownStatus))
    }

    /// The text that we owe in place of this message: it has finally failed, it asked for one, none was sent yet, and the
    /// vendor will not send it (it never had the message, or it does not do that).
    pub fn owed_fallback(&self) -> Option<&FallbackText> {
        let (State::Failed { receipt, .. }, Content::Alimtalk(alimtalk)) = (&self.state, &self.content) else {
            return None;
        };
        let fallback = alimtalk.fallback.as_ref()?;
        let vendors_job = receipt.is_some() && fallback.by_vendor;
        (self.fallback_message_id.is_empty() && !vendors_job).then_some(fallback)
    }

    /// Forward only; the first final result stays.
    fn judge(&self, report: &Report, at: DateTime<Utc>) -> (Applied, Option<State>) {
        let Some(reported) = report.status else { return (Applied::Unknown, None) };
        if self.state.is_final() {
            let same = matches!(
                (self.state.status(), reported),
                (Status::Delivered, ReportedStatus::Delivered) | (Status::Failed, ReportedStatus::Failed)
            );
            let contradicts = !same && matches!(reported, ReportedStatus::Delivered | ReportedStatus::Failed);
            return (if contradicts { Applied::Conflict } else { Applied::Stale }, None);
        }
        let receipt = || match self.state.receipt() {
            Some(receipt) => receipt.clone(),
            None => Receipt { provider_message_id: report.provider_message_id.clone(), accept_time: at },
        };
        let next = match (reported, self.state.status()) {
            (ReportedStatus::Delivered, _) => State::Delivered { receipt: receipt(), result_time: report.occur_time },
            (ReportedStatus::Failed, _) => State::Failed {
                receipt: Some(receipt()),
                failure: report.failure.clone().unwrap_or_else(unexplained),
                result_time: report.occur_time,
            },
            (ReportedStatus::Sent, Status::Requested | Status::InDoubt | Status::Queued) => State::Sent(receipt()),
            (ReportedStatus::Queued, Status::Requested | Status::InDoubt) => State::Queued(receipt()),
            (ReportedStatus::Sent | ReportedStatus::Queued, _) => return (Applied::Stale, None),
        };
        (Applied::Moved, Some(next))
    }
}

fn unexplained() -> Failure {
    use switchboard_providers::model::FailureCode;
    Failure::new(FailureCode::Unknown, "", "the vendor reported a failure without a reason", false)
}
