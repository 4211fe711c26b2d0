//! One message that has been open too long.

use chrono::{DateTime, TimeDelta, Utc};
use switchboard_providers::{
    Recovery,
    model::{Failure, FailureCode, LookUp, Report as VendorReport},
};

use super::{Reconciler, turn::Turn};
use crate::{
    history::HistoryError,
    message::{EventKind, Message, Settlement, State},
    resolver::Account,
    store::{Signer, StatusUpdate},
};

impl Reconciler {
    /// Finds out what became of it, as far as that can be found out now.
    pub(super) async fn attend(&self, turn: &Turn, message: Message) {
        let message_id = message.id.clone();
        let result = match message.state {
            State::Requested => self.lost(message).await,
            State::InDoubt => self.in_doubt(turn, message).await,
            State::Queued(_) | State::Sent(_) => self.unreported(turn, message).await,
            State::Delivered { .. } | State::Failed { .. } | State::Unresolved(_) => Ok(()),
        };
        if let Err(error) = result {
            tracing::warn!(message_id, %error, "an open message could not be looked after; it will be again");
        }
    }

    /// Recorded, and nothing since. A living process would have written something by now.
    async fn lost(&self, message: Message) -> Result<(), HistoryError> {
        if self.clock.now() - message.last_written() < delta(self.policy.longest_send) {
            return Ok(());
        }
        let detail = "the process that was sending it ended; whether the vendor has it is not known";
        let failure = Failure::new(FailureCode::Unknown, "", detail, false);
        let at = self.clock.now();
        self.history.settle(&message.id, Settlement::InDoubt(failure), at).await.map(drop)
    }

    /// The vendor may or may not have it: only the vendor can say.
    async fn in_doubt(&self, turn: &Turn, message: Message) -> Result<(), HistoryError> {
        let Some(account) = &turn.account else { return self.give_up_if_late(&message).await };
        match self.ask(turn, &message.id, LookUp::Reference(&message.id)).await {
            None => self.give_up_if_late(&message).await,
            Some(reports) if reports.is_empty() => self.absent(message, account).await,
            Some(reports) => {
                if reports.len() > 1 {
                    let copies = reports.len();
                    tracing::error!(message_id = message.id, copies, "the vendor has a message more than once");
                    metrics::counter!("switchboard_doubled_messages_total").increment(1);
                }
                self.apply(&message, reports).await?;
                self.give_up_if_late(&message).await
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
            return self.fail(&message, FailureCode::ProviderUnavailable, detail).await;
        }
        // However short the horizon: before this time absence can hardly be proved.
        let provable = 2 * (self.policy.longest_send + blind_for + self.policy.absence_margin);
        if self.is_late(&message) && now - message.create_time >= delta(provable) {
            let detail = "the vendor does not have it, and it is too late to send it once more; it was not delivered";
            return self.fail(&message, FailureCode::Expired, detail).await;
        }
        if message.content.is_advertisement() && self.policy.rules.forbids(now) {
            return Ok(());
        }
        self.sends.send_again(message).await
    }

    /// It was proved that the vendor does not have it, and it will not get it.
    async fn fail(&self, message: &Message, code: FailureCode, detail: &str) -> Result<(), HistoryError> {
        let failure = Failure::new(code, "", detail, true);
        let settled = self.history.settle(&message.id, Settlement::Refused(failure), self.clock.now()).await?;
        self.sends.follow_up(settled.fallback);
        Ok(())
    }

    /// The vendor has it, and has not reported a result.
    async fn unreported(&self, turn: &Turn, message: Message) -> Result<(), HistoryError> {
        let known = message.state.receipt().map(|receipt| receipt.provider_message_id.clone()).unwrap_or_default();
        let what = if known.is_empty() { LookUp::Reference(&message.id) } else { LookUp::ProviderMessageId(&known) };
        let reports = self.ask(turn, &message.id, what).await.unwrap_or_default();
        self.apply(&message, reports).await?;
        self.give_up_if_late(&message).await
    }

    /// What the vendor's feed said about it, if anything.
    pub(super) async fn heard(&self, message: Message, reports: Vec<VendorReport>) {
        let result = async {
            self.apply(&message, reports).await?;
            self.give_up_if_late(&message).await
        };
        if let Err(error) = result.await {
            tracing::warn!(message_id = message.id, %error, "what the vendor said is not stored; it will be asked again");
        }
    }

    async fn apply(&self, message: &Message, reports: Vec<VendorReport>) -> Result<(), HistoryError> {
        for report in reports {
            let update = update(message, report, self.clock.now());
            let result = self.history.report(update).await?;
            self.sends.follow_up(result.fallback);
        }
        Ok(())
    }

    fn is_late(&self, message: &Message) -> bool {
        self.clock.now() - message.create_time >= delta(self.policy.result_horizon)
    }

    /// Past the horizon nobody waits any more; a late result still counts.
    async fn give_up_if_late(&self, message: &Message) -> Result<(), HistoryError> {
        if !self.is_late(message) {
            return Ok(());
        }
        let settled = self.history.settle(&message.id, Settlement::Unresolved, self.clock.now()).await?;
        if matches!(settled.message.state, State::Unresolved(_)) {
            metrics::counter!("switchboard_unresolved_total", "provider" => message.route.provider.clone())
                .increment(1);
            tracing::warn!(message_id = message.id, provider = message.route.provider, "no result came in time");
        }
        Ok(())
    }
}

/// What a look-up found, as a callback would have said it: the account itself vouches for it.
fn update(message: &Message, report: VendorReport, now: DateTime<Utc>) -> StatusUpdate {
    let signer = Signer {
        provider: message.route.provider.clone(),
        provider_account: message.route.provider_account.clone(),
        organization_ids: vec![message.route.account_organization_id.clone()],
    };
    StatusUpdate { client_reference: message.id.clone(), ..StatusUpdate::of_vendor(signer, report, now) }
}

pub(super) fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
