//! The only place that names both the vendors' reports and the contract.

use switchboard_proto::dispatch::v1::{self as proto, MessageStatus, ProviderFallback, StatusUpdate, UnreadableEvent};
use switchboard_providers::model::{Failure, FallbackReport, Report, ReportedStatus};
use switchboard_runtime::wire::to_timestamp;

/// A verified report as the dispatcher takes it.
pub(super) fn status_update(
    provider: &str,
    account: &str,
    organization_ids: &[String],
    report: Report,
) -> StatusUpdate {
    StatusUpdate {
        provider: provider.to_owned(),
        provider_account: account.to_owned(),
        provider_message_id: report.provider_message_id,
        client_reference: report.client_reference,
        status: status(report.status).into(),
        failure: report.failure.map(failure),
        occur_time: report.occur_time.map(to_timestamp),
        event_key: report.event_key,
        provider_status: report.provider_status,
        fallback: report.fallback.map(fallback),
        organization_ids: organization_ids.to_vec(),
    }
}

/// An event that cannot be read, to be kept as it came.
pub(super) fn unreadable_event(
    provider: &str,
    account: &str,
    organization_ids: &[String],
    reason: String,
    raw: String,
) -> UnreadableEvent {
    UnreadableEvent {
        provider: provider.to_owned(),
        provider_account: account.to_owned(),
        organization_ids: organization_ids.to_vec(),
        reason,
        raw: raw.into_bytes(),
    }
}

/// `None` is a word that no document names: recorded, changes nothing.
fn status(status: Option<ReportedStatus>) -> MessageStatus {
    match status {
        None => MessageStatus::Unspecified,
        Some(ReportedStatus::Queued) => MessageStatus::Queued,
        Some(ReportedStatus::Sent) => MessageStatus::Sent,
        Some(ReportedStatus::Delivered) => MessageStatus::Delivered,
        Some(ReportedStatus::Failed) => MessageStatus::Failed,
    }
}

fn failure(failure: Failure) -> proto::Failure {
    proto::Failure {
        code: failure.code.as_str().to_owned(),
        provider_code: failure.provider_code,
        detail: failure.detail,
        retryable: failure.retryable,
    }
}

fn fallback(fallback: FallbackReport) -> ProviderFallback {
    ProviderFallback {
        provider_message_id: fallback.provider_message_id,
        status: status(fallback.status).into(),
        failure: fallback.failure.map(failure),
    }
}
