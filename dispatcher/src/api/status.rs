//! `DeliveryStatusService`.

use switchboard_proto::dispatch::v1::{
    QuarantineEventsRequest, QuarantineEventsResponse, ReportStatusRequest, ReportStatusResponse,
    delivery_status_service_server::DeliveryStatusService,
};
use switchboard_runtime::SharedClock;
use tonic::{Request, Response, Status, async_trait};

use super::{convert, error};
use crate::callbacks::{Quarantine, Reports};

/// Updates, or unreadable events, in one request at most.
const MOST_UPDATES: usize = 1000;

/// `DeliveryStatusService`.
#[derive(Clone)]
pub struct DeliveryStatus {
    reports: Reports,
    quarantine: Quarantine,
    clock: SharedClock,
}

impl DeliveryStatus {
    /// Puts the parts together.
    pub fn new(reports: Reports, quarantine: Quarantine, clock: SharedClock) -> Self {
        Self { reports, quarantine, clock }
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
        let updates = (0..)
            .zip(updates)
            .map(|(index, update)| convert::status_update(index, update, now))
            .collect::<Result<_, _>>()?;
        let results = self.reports.apply(updates).await.map_err(|e| error::history(&e))?;
        Ok(Response::new(ReportStatusResponse { results: results.into_iter().map(convert::status_result).collect() }))
    }

    async fn quarantine_events(
        &self,
        request: Request<QuarantineEventsRequest>,
    ) -> Result<Response<QuarantineEventsResponse>, Status> {
        let events = request.into_inner().events;
        if events.len() > MOST_UPDATES {
            return Err(error::field("events", "has more than 1000 entries: send them in several requests"));
        }
        let events = (0..)
            .zip(events)
            .map(|(index, event)| convert::unreadable_event(index, event))
            .collect::<Result<_, _>>()?;
        let kept = self.quarantine.set_aside(events).await.map_err(|e| error::history(&e))?;
        let added = kept.map_err(error::no_room)?;
        Ok(Response::new(QuarantineEventsResponse { added_count: i32::try_from(added).unwrap_or(i32::MAX) }))
    }
}
