//! One message that has been open too long.

use chrono::{DateTime, TimeDelta, Utc};
use switchboard_providers::{
    Recovery,
    model::{Failure, FailureCode, LookUp, Report as VendorReport},
};

use switchboard_runtime::trace::{self, Work};

use super::Reconciler;
use crate::{
    history::HistoryError,
    message::{EventKind, Message, Report, Settlement, State},
    resolver::Account,
    store::StatusUpdate,
};

impl Reconciler {
    /// Finds out what became of it, as far as that can be found out now.
    pub(super) async fn attend(&self, message: Message) {
        let message_id = message.id.clone();
        let result = match message.state {
            State::Requested => self.lost(message).await,
            State::InDoubt => self.in_doubt(message).await,
            State::Queued(_) | State::Sent(_) => self.unreported(message).await,
            State::Delivered { .. } | State::Failed { .. } | State::Unresolved(_) => Ok(()),
        };
        if let Err(error) = result {
            tracing::warn!(message_id, %error, "an open message could not be looked after; it will be again");
        }
    }

    /// Recorded, and nothing since. A living process would have written something by now.
    async fn lost(&self, message: Message) -> Result<(), HistoryError> {
        let last = message.events.last().map_or(message.create_time, |event| event.record_time);
        if self.clock.now() - last < delta(self.policy.longest_send) {
            return Ok(());
        }
        let detail = "the process that was sending it ended; whether the vendor has it is not known";
        let failure = Failure::new(FailureCode::Unknown, "", detail, false);
        let at = self.clock.now();
        self.history.settle(&message.id, Settlement::InDoubt(failure), at).await.map(drop)
    }

    /// The vendor may or may not have it: only the vendor can say.
    async fn in_doubt(&self, message: Message) -> Result<(), HistoryError> {
        let Some(account) = self.resolver.account(&message.route).await else {
            return self.give_up_if_late(&message).await;
        };
        match self.ask(&message.id, &account, LookUp::Reference(&message.id)).await {
            None => self.give_up_if_late(&message).await,
            Some(reports) if reports.is_empty() => self.absent(message, &account).await,
            Some(reports) => {
                if reports.len() > 1 {
                    let copies = reports.len();
                    tracing::error!(message_id = message.id, copies, "the vendor has a message more than once");
                    metrics::counter!("switchboard_doubled_messages_total").increment(1);
                }
                self.apply(&message, reports).await
            }
        }
    }

    /// The vendor was asked and does not have it.
    async fn absent(&self, message: Message, account: &Account) -> Result<(), HistoryError> {
        let (Recovery::LookUpFirst { blind_for } | Recovery::SendAgain { blind_for, .. }) = account.vendor.recovery;
        let doubted = message.events.iter().rev().find(|event| event.kind == EventKind::InDoubt);
        let since = doubted.map_or(message.create_time, |event| event.record_time);
        let now = self.clock.now();
        if now - since < delta(blind_for) + delta(self.policy.absence_margin) {
            return Ok(());
        }
        if message.was_resent() {
            let detail = "the vendor does not have it, though it was sent twice; it was not delivered";
            let failure = Failure::new(FailureCode::ProviderUnavailable, "", detail, true);
            let settled = self.history.settle(&message.id, Settlement::Refused(failure), now).await?;
            self.sends.follow_up(settled.fallback);
            return Ok(());
        }
        if let Some(mut resent) = self.history.resend(&message.id, message.checks, now).await? {
            // The claim brought the images along, the write does not.
            resent.content = message.content;
            self.sends.send_recorded(resent).await;
        }
        Ok(())
    }

    /// The vendor has it, and has not reported a result.
    async fn unreported(&self, message: Message) -> Result<(), HistoryError> {
        let known = message.state.receipt().map(|receipt| receipt.provider_message_id.clone()).unwrap_or_default();
        let what = if known.is_empty() { LookUp::Reference(&message.id) } else { LookUp::ProviderMessageId(&known) };
        if let Some(account) = self.resolver.account(&message.route).await
            && let Some(reports) = self.ask(&message.id, &account, what).await
        {
            self.apply(&message, reports).await?;
        }
        self.give_up_if_late(&message).await
    }

    /// Asks the vendor; `None`: it could not be asked, which says nothing about the message.
    async fn ask(&self, message_id: &str, account: &Account, what: LookUp<'_>) -> Option<Vec<VendorReport>> {
        let begun = trace::begin();
        let look_up = account.lane.look_up(what, self.clock.now());
        let answer = tokio::time::timeout(self.policy.look_up_timeout, look_up).await;
        let outcome = match &answer {
            Ok(Ok(reports)) if reports.is_empty() => "absent",
            Ok(Ok(_)) => "found",
            Ok(Err(_)) | Err(_) => "failed",
        };
        metrics::counter!("switchboard_look_ups_total", "provider" => account.vendor.code, "outcome" => outcome)
            .increment(1);
        begun.part(message_id, "look up", Work::Call, || {
            vec![("provider", account.vendor.code.to_owned()), ("outcome", outcome.to_owned())]
        });
        answer.ok()?.ok()
    }

    async fn apply(&self, message: &Message, reports: Vec<VendorReport>) -> Result<(), HistoryError> {
        for report in reports {
            let update = update(message, report, self.clock.now());
            let result = self.history.report(update).await?;
            self.sends.follow_up(result.fallback);
        }
        Ok(())
    }

    /// Past the horizon nobody waits any more; a late result still counts.
    async fn give_up_if_late(&self, message: &Message) -> Result<(), HistoryError> {
        let now = self.clock.now();
        if now - message.create_time < delta(self.policy.result_horizon) {
            return Ok(());
        }
        metrics::counter!("switchboard_unresolved_total", "provider" => message.route.provider.clone()).increment(1);
        self.history.settle(&message.id, Settlement::Unresolved, now).await.map(drop)
    }
}

/// What a look-up found, as a callback would have said it: the account itself vouches for it.
fn update(message: &Message, report: VendorReport, now: DateTime<Utc>) -> StatusUpdate {
    StatusUpdate {
        provider: message.route.provider.clone(),
        provider_account: message.route.provider_account.clone(),
        organization_ids: vec![message.route.account_organization_id.clone()],
        client_reference: message.id.clone(),
        event_key: report.event_key,
        report: Report {
            provider_message_id: report.provider_message_id,
            status: report.status,
            provider_status: report.provider_status,
            failure: report.failure,
            occur_time: report.occur_time.unwrap_or(now),
            fallback: String::new(),
        },
        at: now,
    }
}

fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
