//! Unreadable events in, what is kept of them and of refused updates out.

use serde_json::Value;
use switchboard_proto::dispatch::v1 as proto;
use switchboard_runtime::wire::to_timestamp;
use tonic::Status as RpcStatus;

use super::{Visibility, status_result};
use crate::{
    api::error,
    callbacks::Outcome,
    store::{Noted, Quarantined, Refusal, Signer, Unreadable},
};

/// Longest event, as long as a callback may be.
const LONGEST_EVENT: usize = 1 << 20;
/// Longest reason that is kept, in characters.
const LONGEST_REASON: usize = 500;

/// An event that cannot be read.
pub(crate) fn unreadable_event(index: usize, event: proto::UnreadableEvent) -> Result<Unreadable, RpcStatus> {
    let wrong = |field: &str, remedy: &str| error::field(&format!("events[{index}].{field}"), remedy);
    for (field, value) in [("provider", &event.provider), ("provider_account", &event.provider_account)] {
        if value.is_empty() {
            return Err(wrong(field, "is empty: it is required"));
        }
    }
    // Without an owner a replay would speak for everybody who uses the account.
    if event.organization_ids.iter().all(String::is_empty) {
        return Err(wrong("organization_ids", "is empty: name whose secret verified the callback"));
    }
    if event.raw.len() > LONGEST_EVENT {
        return Err(wrong("raw", "is longer than 1 MiB, which no callback is"));
    }
    let mut organization_ids = event.organization_ids;
    organization_ids.sort_unstable();
    organization_ids.dedup();
    let signer = Signer { provider: event.provider, provider_account: event.provider_account, organization_ids };
    let reason = event.reason.chars().filter(|letter| !letter.is_control()).take(LONGEST_REASON).collect();
    Ok(Unreadable { signer, reason, raw: event.raw })
}

/// An event as it is kept.
pub(crate) fn quarantined_event(kept: Quarantined, visibility: Visibility) -> proto::QuarantinedEvent {
    let Quarantined { id, event: Unreadable { signer, reason, raw }, seen, first_time, last_time } = kept;
    proto::QuarantinedEvent {
        quarantine_id: id,
        provider: signer.provider,
        provider_account: signer.provider_account,
        organization_ids: signer.organization_ids,
        reason,
        raw: match visibility {
            Visibility::Whole => String::from_utf8_lossy(&raw).into_owned(),
            Visibility::Masked => masked(&raw),
        },
        seen_count: i64::try_from(seen).unwrap_or(i64::MAX),
        first_time: Some(to_timestamp(first_time)),
        last_time: Some(to_timestamp(last_time)),
    }
}

/// The shape of an event without its values: nobody knows which of them is a phone number. Names of fields are the
/// vendor's; one that holds digits may have been made from a value.
fn masked(raw: &[u8]) -> String {
    fn shape(value: Value) -> Value {
        match value {
            Value::String(text) => Value::String("*".repeat(text.chars().count().min(8))),
            Value::Number(_) => Value::String("*".to_owned()),
            Value::Array(items) => Value::Array(items.into_iter().map(shape).collect()),
            Value::Object(fields) => Value::Object(
                fields.into_iter().map(|(name, value)| (name.replace(char::is_numeric, "*"), shape(value))).collect(),
            ),
            bare => bare,
        }
    }
    serde_json::from_slice(raw).map_or_else(|_| format!("{} bytes", raw.len()), |value| shape(value).to_string())
}

/// What became of a replayed event.
pub(crate) fn replay_result(quarantine_id: String, outcome: Outcome) -> proto::ReplayResult {
    let (outcome, result, reason) = match outcome {
        Outcome::Reported(result) => (proto::ReplayOutcome::Reported, Some(status_result(result)), String::new()),
        Outcome::Ignored => (proto::ReplayOutcome::Ignored, None, String::new()),
        Outcome::Unreadable(why) => (proto::ReplayOutcome::Unreadable, None, why),
        Outcome::Missing => (proto::ReplayOutcome::Missing, None, String::new()),
    };
    proto::ReplayResult { quarantine_id, outcome: outcome.into(), result, reason }
}

/// Updates that were refused.
pub(crate) fn refused_update(noted: Noted) -> proto::RefusedUpdate {
    let Noted { refusal: Refusal { signer, target, message_id }, seen, first_time, last_time } = noted;
    proto::RefusedUpdate {
        provider: signer.provider,
        provider_account: signer.provider_account,
        organization_ids: signer.organization_ids,
        target_organization_id: target,
        message_id,
        seen_count: i64::try_from(seen).unwrap_or(i64::MAX),
        first_time: Some(to_timestamp(first_time)),
        last_time: Some(to_timestamp(last_time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_event_shows_its_shape_and_none_of_its_values() {
        let raw = r#"{"to":"010-1234-5678","n":[1012345678,true,null],"01012345678":{"text":"안녕하세요 여러분"}}"#;
        let masked = masked(raw.as_bytes());
        let shape: Value = serde_json::from_str(&masked).unwrap();
        assert_eq!(shape["to"], "********");
        assert_eq!(shape["n"], serde_json::json!(["*", true, null]));
        assert!(!masked.contains(char::is_numeric) && !masked.contains("안녕"), "{masked}");
        assert_eq!(super::masked(b"010-1234-5678"), "13 bytes");
    }
}
