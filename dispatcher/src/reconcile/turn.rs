//! A vendor account's turn in a round: bounded in time, and over as soon as the vendor falls silent, so that the others
//! do not wait for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt as _;
use switchboard_providers::model::{LookUp, LookUpError, Report as VendorReport};
use switchboard_runtime::trace::{self, Work};
use tokio::time::Instant;

use super::Reconciler;
use crate::{message::Message, resolver::Account};

/// Calls under way at once.
const AT_ONCE: usize = 8;
/// How long a turn may take.
const LONGEST: Duration = Duration::from_secs(20);

/// A turn.
pub(super) struct Turn {
    /// `None`: the account is not known now.
    pub(super) account: Option<Arc<Account>>,
    ends: Instant,
    silent: AtomicBool,
}

impl Turn {
    pub(super) fn new(account: Option<Arc<Account>>) -> Self {
        Self { account, ends: Instant::now() + LONGEST, silent: AtomicBool::new(false) }
    }

    /// Whether nobody is asked any more. Whose message has not been asked about comes again by its back-off.
    pub(super) fn is_over(&self) -> bool {
        self.silent.load(Ordering::Relaxed) || Instant::now() >= self.ends
    }
}

impl Reconciler {
    /// Looks after messages, each by itself.
    pub(super) async fn one_by_one(&self, turn: &Turn, messages: Vec<Message>) {
        futures::stream::iter(messages).for_each_concurrent(AT_ONCE, |message| self.attend(turn, message)).await;
    }

    /// Asks the vendor about a message; `None`: it could not be asked, which says nothing about the message.
    pub(super) async fn ask(&self, turn: &Turn, message_id: &str, what: LookUp<'_>) -> Option<Vec<VendorReport>> {
        let account = turn.account.as_deref()?;
        let begun = trace::begin();
        let reports = self.patiently(turn, account.lane.look_up(what, self.clock.now())).await;
        let outcome = match &reports {
            Some(reports) if reports.is_empty() => "absent",
            Some(_) => "found",
            None => "failed",
        };
        metrics::counter!("switchboard_look_ups_total", "provider" => account.vendor.code, "outcome" => outcome)
            .increment(1);
        begun.part(message_id, "look up", Work::Call, || {
            vec![("provider", account.vendor.code.to_owned()), ("outcome", outcome.to_owned())]
        });
        reports
    }

    /// Waits for an answer as long as a vendor may take. The first that does not come ends the turn.
    pub(super) async fn patiently<T>(
        &self,
        turn: &Turn,
        question: impl Future<Output = Result<T, LookUpError>>,
    ) -> Option<T> {
        if turn.is_over() {
            return None;
        }
        match tokio::time::timeout(self.policy.look_up_timeout, question).await {
            Ok(answer) => answer.ok(),
            Err(_) => {
                turn.silent.store(true, Ordering::Relaxed);
                None
            }
        }
    }
}
