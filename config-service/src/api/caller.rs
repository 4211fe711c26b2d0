//! What a call says of itself, apart from what it asks for.

use std::{sync::Arc, time::Duration};

use prost_types::Duration as ProtoDuration;
use switchboard_runtime::{
    auth::{PeerAddr, Principal},
    wire::to_std_duration,
};
use tonic::{Request, Status};

use crate::{
    attempt::{Attempt, Caller},
    error::{Error, Violation},
};

use super::error::status;

/// Longest request id.
const LONGEST_REQUEST_ID: usize = 64;

/// Who made this call, and from where.
pub(super) fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    Ok(Caller { principal: Principal::of(request)?, peer: PeerAddr::of(request) })
}

/// The conditions that every mutation may carry.
pub(super) struct Conditions {
    pub request_id: String,
    pub validate_only: bool,
    pub wait_applied: Option<ProtoDuration>,
}

/// An attempt at `action`, with what is wrong with its conditions: that is for after the authorisation.
pub(super) fn attempt(
    caller: Caller,
    action: &'static str,
    organization_id: impl Into<String>,
    conditions: Conditions,
) -> (Attempt, Result<(), Error>) {
    let mut violations = Vec::new();
    if conditions.request_id.chars().count() > LONGEST_REQUEST_ID {
        violations.push(Violation::new("request_id", "is longer than 64 characters"));
    }
    let wait_applied = duration("wait_applied", conditions.wait_applied).unwrap_or_else(|violation| {
        violations.push(violation);
        None
    });
    let attempt = Attempt {
        caller,
        action,
        organization_id: organization_id.into(),
        provider: String::new(),
        request_id: conditions.request_id,
        dry_run: conditions.validate_only,
        forced: false,
        wait_applied: wait_applied.unwrap_or(Duration::ZERO),
    };
    (attempt, if violations.is_empty() { Ok(()) } else { Err(Error::Invalid(violations)) })
}

/// A duration of a request.
pub(super) fn duration(field: &str, duration: Option<ProtoDuration>) -> Result<Option<Duration>, Violation> {
    let read = duration.map(|duration| to_std_duration(&duration)).transpose();
    read.map_err(|error| Violation::new(field, error.to_string()))
}

/// For reads: refuses an organisation that the caller is not limited to.
pub(super) fn authorize(caller: &Caller, organization_id: &str) -> Result<(), Status> {
    if caller.principal.may_act_for(organization_id) {
        Ok(())
    } else {
        Err(status(Error::NotItsOrganization(organization_id.to_owned())))
    }
}

/// For reads that concern everybody: refuses a caller that is limited to some organisations.
pub(super) fn authorize_everything(caller: &Caller) -> Result<(), Status> {
    match &caller.principal.organizations {
        None => Ok(()),
        Some(some) => {
            let some: Vec<&str> = Arc::as_ref(some).iter().map(String::as_str).collect();
            let what = format!("all organisations: this token is limited to {}", some.join(", "));
            Err(status(Error::NotItsOrganization(what)))
        }
    }
}
