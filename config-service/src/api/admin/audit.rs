//! The audit trail.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use switchboard_proto::config::v1 as proto;
use switchboard_runtime::{
    paging::{PageToken, page_size},
    wire::from_timestamp,
};
use tonic::{Request, Response};

use super::{Admin, Reply};
use crate::{
    api::{caller::caller, convert, error::status},
    audit::EventFilter,
    error::{Error, Violation},
};

const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 1_000;

impl Admin {
    pub(super) async fn audit_events(
        &self,
        request: Request<proto::ListAuditEventsRequest>,
    ) -> Reply<proto::ListAuditEventsResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        if !request.organization_id.is_empty() {
            self.limits(&caller, "ListAuditEvents").organization(&request.organization_id)?;
        }
        let (from, until) = match (
            instant("event_time_after", request.event_time_after),
            instant("event_time_before", request.event_time_before),
        ) {
            (Ok(from), Ok(until)) => (from, until),
            (from, until) => {
                let violations = from.err().into_iter().chain(until.err()).collect();
                return Err(status(Error::Invalid(violations)));
            }
        };
        let filter = EventFilter {
            organization_id: request.organization_id,
            actor: request.actor,
            action: request.action,
            from,
            until,
            within: caller.principal.organizations.map(|within| (*within).clone()),
        };
        let scope = format!("ListAuditEvents?{filter:?}");
        let before = PageToken::decode(&scope, &request.page_token)?;
        let size = page_size(request.page_size, PAGE, LARGEST_PAGE)?;
        let events = self.trail.events(&filter, before, size + 1).await.map_err(|error| status(error.into()))?;
        let shown = usize::try_from(size).unwrap_or(usize::MAX);
        let next_page_token = match events.get(shown.saturating_sub(1)) {
            Some(last) if events.len() > shown => PageToken::encode(&scope, &last.sequence)?,
            _ => String::new(),
        };
        let audit_events = events.into_iter().take(shown).map(convert::audit_event).collect();
        Ok(Response::new(proto::ListAuditEventsResponse { audit_events, next_page_token }))
    }

    pub(super) async fn verify(
        &self,
        request: Request<proto::VerifyAuditTrailRequest>,
    ) -> Reply<proto::VerifyAuditTrailResponse> {
        self.limits(&caller(&request)?, "VerifyAuditTrail").everything()?;
        let known = request.into_inner().known_head.map(convert::read_audit_head).transpose();
        let known = known.map_err(|violation| status(Error::Invalid(vec![violation])))?;
        let verdict = self.trail.verify(known.as_ref()).await.map_err(|error| status(error.into()))?;
        let (first_broken_sequence, detail) = verdict.broken.clone().unwrap_or_default();
        match &verdict.broken {
            None => {}
            // It was not walked: the head says nothing of it.
            Some((0, _)) => tracing::warn!(detail, "the audit trail was not verified"),
            Some(_) => tracing::error!(first_broken_sequence, detail, "the audit trail is broken"),
        }
        Ok(Response::new(proto::VerifyAuditTrailResponse {
            intact: verdict.broken.is_none(),
            checked_count: verdict.checked,
            first_broken_sequence,
            detail,
        }))
    }

    pub(super) async fn audit_head(
        &self,
        request: Request<proto::GetAuditHeadRequest>,
    ) -> Reply<proto::GetAuditHeadResponse> {
        self.limits(&caller(&request)?, "GetAuditHead").everything()?;
        let head = self.trail.head().await.map_err(|error| status(error.into()))?;
        Ok(Response::new(proto::GetAuditHeadResponse { head: Some(convert::audit_head(head)) }))
    }
}

fn instant(field: &str, timestamp: Option<Timestamp>) -> Result<Option<DateTime<Utc>>, Violation> {
    let read = timestamp.as_ref().map(from_timestamp).transpose();
    read.map_err(|error| Violation::new(field, error.to_string()))
}
