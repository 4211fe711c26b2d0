//! `DeliveryStatusService`.

use futures::future::try_join_all;
use switchboard_proto::dispatch::v1::{
    ReportStatusRequest, ReportStatusResponse, delivery_status_service_server::DeliveryStatusService,
};
use switchboard_runtime::{
    SharedClock,
    trace::{self, Work},
};
use tonic::{Request, Response, Status, async_trait};

use super::{convert, error};
use crate::{history::History, send::Sends, store::StatusOutcome};

/// Updates in one request at most.
const MOST_UPDATES: usize = 1000;

/// `DeliveryStatusService`.
#[derive(Clone)]
pub struct DeliveryStatus {
    history: History,
    sends: Sends,
    clock: SharedClock,
}

impl DeliveryStatus {
    /// Puts the parts together.
    pub fn new(history: History, sends: Sends, clock: SharedClock) -> Self {
        Self { history, sends, clock }
    }
}

#[async_trait]
impl DeliveryStatusService for DeliveryStatus {
    async fn report_status(
        &self,
        request: Request<ReportStatusRequest>,
    ) -> Result<Response<ReportStatusResponse>, Status> {
        let updates = request.into_inner().updates;
        if updates.len() > MOST_UPDATES {
            return Err(error::field("updates", "has more than 1000 entries: send them in several requests"));
        }
        let now = self.clock.now();
        let updates: Vec<_> = (0..)
            .zip(updates)
            .map(|(index, update)| convert::status_update(index, update, now))
            .collect::<Result<_, _>>()?;
        // Queued in their order; the writer commits them together.
        let results = try_join_all(updates.into_iter().map(|update| {
            let history = self.history.clone();
            async move {
                let (provider, account) = (update.provider.clone(), update.provider_account.clone());
                if update.report.status.is_none() {
                    metrics::counter!("switchboard_unknown_status_words_total", "provider" => provider.clone())
                        .increment(1);
                }
                let begun = trace::begin();
                let mut result = history.report(update).await?;
                begun.part(&result.message_id, "report status", Work::Answer, || {
                    vec![("provider", provider.clone()), ("outcome", format!("{:?}", result.outcome))]
                });
                self.sends.follow_up(result.fallback.take());
                count(&provider, result.outcome);
                if result.outcome == StatusOutcome::Foreign {
                    tracing::warn!(
                        security = true,
                        provider,
                        account,
                        "an update was refused: it speaks for a message of another account"
                    );
                }
                Ok::<_, crate::history::HistoryError>(result)
            }
        }))
        .await
        .map_err(|e| error::history(&e))?;
        Ok(Response::new(ReportStatusResponse { results: results.into_iter().map(convert::status_result).collect() }))
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
