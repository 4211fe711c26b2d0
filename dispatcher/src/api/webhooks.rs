//! `WebhookAdminService`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use switchboard_proto::dispatch::v1::{
    ListQuarantinedEventsRequest, ListQuarantinedEventsResponse, ListRefusedUpdatesRequest, ListRefusedUpdatesResponse,
    ReplayQuarantinedEventsRequest, ReplayQuarantinedEventsResponse, webhook_admin_service_server::WebhookAdminService,
};
use switchboard_runtime::{
    auth::Principal,
    paging::{PageToken, page_size},
};
use tonic::{Request, Response, Status, async_trait};

use super::{convert, error, messages::visibility};
use crate::{
    callbacks::{Quarantine, Reports},
    store::{QuarantineQuery, Quarantined, Signer},
};

/// Events in one replay at most.
const MOST_REPLAYED: usize = 100;

/// Bytes of events on one page, unless a single one has more.
const LARGEST_PAGE: usize = 1 << 20;

/// `WebhookAdminService`.
#[derive(Clone)]
pub struct WebhookAdmin {
    quarantine: Quarantine,
    reports: Reports,
}

/// Where a page ends.
#[derive(Serialize, Deserialize)]
struct Cursor {
    #[serde(with = "chrono::serde::ts_microseconds")]
    time: DateTime<Utc>,
    id: String,
}

impl WebhookAdmin {
    /// Puts the parts together.
    pub fn new(quarantine: Quarantine, reports: Reports) -> Self {
        Self { quarantine, reports }
    }
}

#[async_trait]
impl WebhookAdminService for WebhookAdmin {
    async fn list_quarantined_events(
        &self,
        request: Request<ListQuarantinedEventsRequest>,
    ) -> Result<Response<ListQuarantinedEventsResponse>, Status> {
        let principal = Principal::of(&request)?;
        let ListQuarantinedEventsRequest { organization_id, provider, page_size: size, page_token } =
            request.into_inner();
        if !organization_id.is_empty() {
            principal.authorize_organization(&organization_id)?;
        }
        let scope = format!("quarantine:{organization_id}\0{provider}");
        let size = page_size(size, 50, 1000)?;
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        let after = PageToken::decode::<Cursor>(&scope, &page_token)?;
        let query = QuarantineQuery {
            organization_id: filled(organization_id),
            provider: filled(provider),
            after: after.map(|cursor| (cursor.time, cursor.id)),
            limit: size + 1,
        };
        let mut events = self.quarantine.list(&query).await.map_err(|e| error::history(&e))?;
        let room = (size as usize).min(fitting(&events));
        let more = events.len() > room;
        events.truncate(room);
        let next_page_token = match events.last() {
            Some(last) if more => PageToken::encode(&scope, &Cursor { time: last.first_time, id: last.id.clone() })?,
            _ => String::new(),
        };
        // A page may be shorter than asked for: what others signed too is not for a caller who is limited to one of them.
        events.retain(|kept| may_touch(&principal, &kept.event.signer));
        let visibility = visibility(&principal);
        let events = events.into_iter().map(|event| convert::quarantined_event(event, visibility)).collect();
        Ok(Response::new(ListQuarantinedEventsResponse { events, next_page_token }))
    }

    async fn replay_quarantined_events(
        &self,
        request: Request<ReplayQuarantinedEventsRequest>,
    ) -> Result<Response<ReplayQuarantinedEventsResponse>, Status> {
        let principal = Principal::of(&request)?;
        let ids = request.into_inner().quarantine_ids;
        if !(1..=MOST_REPLAYED).contains(&ids.len()) {
            return Err(error::field("quarantine_ids", "has none or more than 100 entries: name 1 to 100 events"));
        }
        tracing::info!(caller = %principal.name, events = ids.len(), "quarantined events are replayed");
        let replayed = self.quarantine.replay(&ids, |signer| may_touch(&principal, signer)).await;
        let outcomes = replayed.map_err(|e| error::history(&e))?;
        let results = ids.into_iter().zip(outcomes).map(|(id, outcome)| convert::replay_result(id, outcome)).collect();
        Ok(Response::new(ReplayQuarantinedEventsResponse { results }))
    }

    async fn list_refused_updates(
        &self,
        request: Request<ListRefusedUpdatesRequest>,
    ) -> Result<Response<ListRefusedUpdatesResponse>, Status> {
        let principal = Principal::of(&request)?;
        let limit = page_size(request.into_inner().page_size, 100, 1000)?;
        let mut refusals = self.reports.refusals(limit).await.map_err(|e| error::history(&e))?;
        refusals.retain(|noted| principal.may_act_for(&noted.refusal.target));
        let refused_updates = refusals.into_iter().map(convert::refused_update).collect();
        Ok(Response::new(ListRefusedUpdatesResponse { refused_updates }))
    }
}

/// How many events an answer has room for; one at least.
fn fitting(events: &[Quarantined]) -> usize {
    let sizes = events.iter().scan(0, |bytes, kept| {
        *bytes += kept.event.raw.len();
        Some(*bytes)
    });
    sizes.take_while(|bytes| *bytes <= LARGEST_PAGE).count().max(1)
}

/// A caller that is limited to some organisations must not see what the others' vendor said.
fn may_touch(principal: &Principal, signer: &Signer) -> bool {
    signer.organization_ids.iter().all(|organization_id| principal.may_act_for(organization_id))
}
