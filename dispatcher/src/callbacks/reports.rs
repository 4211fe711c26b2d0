//! Applies what vendors reported, sends what is owed because of it, and notes who spoke for messages of others.

use std::sync::Arc;

use futures::future::try_join_all;
use switchboard_runtime::{
    SharedClock,
    trace::{self, Work},
};

use crate::{
    history::{History, HistoryError, ReportResult},
    send::Sends,
    store::{Noted, Refusal, Signer, StatusOutcome, StatusUpdate, Store},
};

/// Applies reports. Clones are the same.
#[derive(Clone)]
pub struct Reports {
    history: History,
    store: Arc<dyn Store>,
    sends: Sends,
    clock: SharedClock,
}

impl Reports {
    /// Puts the parts together.
    pub fn new(history: History, store: Arc<dyn Store>, sends: Sends, clock: SharedClock) -> Self {
        Self { history, store, sends, clock }
    }

    /// Applies reports in their order; what became of each. Refused ones are noted, durably, before this returns.
    ///
    /// # Errors
    ///
    /// When the history cannot be written; some of them may have been applied, and none twice if they come again.
    pub async fn apply(&self, updates: Vec<StatusUpdate>) -> Result<Vec<ReportResult>, HistoryError> {
        // Queued in their order; the writer commits them together.
        let applied = try_join_all(updates.into_iter().map(|update| self.one(update))).await?;
        let (results, refusals): (Vec<_>, Vec<_>) = applied.into_iter().unzip();
        let refusals: Vec<Refusal> = refusals.into_iter().flatten().collect();
        if !refusals.is_empty() {
            self.store.note_refusals(refusals, self.clock.now()).await?;
        }
        Ok(results)
    }

    /// The refusals noted, the latest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn refusals(&self, limit: u32) -> Result<Vec<Noted>, HistoryError> {
        Ok(self.store.refusals(limit).await?)
    }

    async fn one(&self, update: StatusUpdate) -> Result<(ReportResult, Option<Refusal>), HistoryError> {
        let signer = Signer {
            provider: update.provider.clone(),
            provider_account: update.provider_account.clone(),
            organization_ids: update.organization_ids.clone(),
        };
        if update.report.status.is_none() {
            metrics::counter!("switchboard_unknown_status_words_total", "provider" => signer.provider.clone())
                .increment(1);
        }
        let begun = trace::begin();
        let mut result = self.history.report(update).await?;
        begun.part(&result.message_id, "report status", Work::Answer, || {
            vec![("provider", signer.provider.clone()), ("outcome", format!("{:?}", result.outcome))]
        });
        self.sends.follow_up(result.fallback.take());
        count(&signer.provider, result.outcome);
        let refusal = result.spoken_for.take().map(|spoken_for| {
            tracing::warn!(
                security = true,
                provider = signer.provider,
                account = signer.provider_account,
                organizations = ?signer.organization_ids,
                target = spoken_for.organization_id,
                message_id = spoken_for.message_id,
                "an update was refused: it speaks for a message of another account"
            );
            Refusal { signer, target: spoken_for.organization_id, message_id: spoken_for.message_id }
        });
        Ok((result, refusal))
    }
}

fn count(provider: &str, outcome: StatusOutcome) {
    let word = match outcome {
        StatusOutcome::Applied => "applied",
        StatusOutcome::Duplicate => "duplicate",
        StatusOutcome::Stale => "stale",
        StatusOutcome::Parked => "parked",
        StatusOutcome::Foreign => "foreign",
    };
    metrics::counter!("switchboard_status_updates_total", "provider" => provider.to_owned(), "outcome" => word)
        .increment(1);
}
