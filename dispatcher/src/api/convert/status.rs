//! Status updates in, their results out.

use chrono::{DateTime, Utc};
use switchboard_proto::dispatch::v1 as proto;
use switchboard_providers::model::{Failure, FallbackReport, ReportedStatus};
use switchboard_runtime::wire::from_timestamp;
use tonic::Status as RpcStatus;

use super::status_word;
use crate::{
    api::error,
    history::ReportResult,
    message::{Report, vendors_fallback},
    store::{StatusOutcome, StatusUpdate},
};

/// An update.
pub(crate) fn status_update(
    index: usize,
    update: proto::StatusUpdate,
    now: DateTime<Utc>,
) -> Result<StatusUpdate, RpcStatus> {
    let wrong = |field: &str, remedy: &str| error::field(&format!("updates[{index}].{field}"), remedy);
    for (field, value) in [
        ("provider", &update.provider),
        ("provider_account", &update.provider_account),
        ("event_key", &update.event_key),
    ] {
        if value.is_empty() {
            return Err(wrong(field, "is empty: it is required"));
        }
    }
    if update.provider_message_id.is_empty() && update.client_reference.is_empty() {
        return Err(wrong("provider_message_id", "and client_reference are both empty: give at least one"));
    }
    let status = match update.status() {
        proto::MessageStatus::Unspecified => None,
        proto::MessageStatus::Queued => Some(ReportedStatus::Queued),
        proto::MessageStatus::Sent => Some(ReportedStatus::Sent),
        proto::MessageStatus::Delivered => Some(ReportedStatus::Delivered),
        proto::MessageStatus::Failed => Some(ReportedStatus::Failed),
        proto::MessageStatus::Requested | proto::MessageStatus::InDoubt | proto::MessageStatus::Unresolved => {
            return Err(wrong("status", "is no status that a vendor reports: use QUEUED, SENT, DELIVERED or FAILED"));
        }
    };
    let occur_time = match &update.occur_time {
        Some(time) => from_timestamp(time).map_err(|why| wrong("occur_time", &why.to_string()))?,
        None => now,
    };
    Ok(StatusUpdate {
        provider: update.provider,
        provider_account: update.provider_account,
        organization_ids: update.organization_ids,
        client_reference: update.client_reference,
        event_key: update.event_key,
        report: Report {
            provider_message_id: update.provider_message_id,
            status,
            provider_status: update.provider_status,
            failure: update.failure.map(failure),
            occur_time,
            fallback: update.fallback.map(|told| vendors_fallback(&fallback(told))).unwrap_or_default(),
        },
        at: now,
    })
}

fn fallback(fallback: proto::ProviderFallback) -> FallbackReport {
    FallbackReport {
        status: match fallback.status() {
            proto::MessageStatus::Unspecified => None,
            proto::MessageStatus::Delivered => Some(ReportedStatus::Delivered),
            proto::MessageStatus::Failed => Some(ReportedStatus::Failed),
            _ => Some(ReportedStatus::Sent),
        },
        failure: fallback.failure.map(failure),
        provider_message_id: fallback.provider_message_id,
    }
}

fn failure(failure: proto::Failure) -> Failure {
    let code = failure.code.parse().unwrap_or(switchboard_providers::model::FailureCode::Unknown);
    Failure::new(code, failure.provider_code, failure.detail, failure.retryable)
}

/// What became of it.
pub(crate) fn status_result(result: ReportResult) -> proto::StatusResult {
    let outcome = match result.outcome {
        StatusOutcome::Applied => proto::StatusOutcome::Applied,
        StatusOutcome::Duplicate => proto::StatusOutcome::Duplicate,
        // The contract has no word for a forged update; nothing moves and nothing is told.
        StatusOutcome::Stale | StatusOutcome::Foreign => proto::StatusOutcome::Stale,
        StatusOutcome::Parked => proto::StatusOutcome::Parked,
    };
    proto::StatusResult {
        outcome: outcome.into(),
        message_id: result.message_id,
        status: result.status.map_or(proto::MessageStatus::Unspecified, status_word).into(),
    }
}
