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
    audit::Denials,
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
        request_id: conditions.request_id,
        dry_run: conditions.validate_only,
        wait_applied: wait_applied.unwrap_or(Duration::ZERO),
        ..Attempt::of(caller, action, organization_id)
    };
    (attempt, if violations.is_empty() { Ok(()) } else { Err(Error::Invalid(violations)) })
}

/// A duration of a request.
pub(super) fn duration(field: &str, duration: Option<ProtoDuration>) -> Result<Option<Duration>, Violation> {
    let read = duration.map(|duration| to_std_duration(&duration)).transpose();
    read.map_err(|error| Violation::new(field, error.to_string()))
}

/// For reads: what a caller that is limited to some organisations may not see. Each refusal is told to the audit trail.
pub(super) struct Limits<'a> {
    /// Who hears of a refusal.
    pub denials: &'a Denials,
    /// Who asks.
    pub caller: &'a Caller,
    /// For what, by the name of the RPC.
    pub action: &'static str,
}

impl Limits<'_> {
    /// Refuses an organisation that the caller is not limited to.
    pub fn organization(&self, organization_id: &str) -> Result<(), Status> {
        if self.caller.principal.may_act_for(organization_id) {
            return Ok(());
        }
        Err(self.refuse(organization_id, Error::NotItsOrganization(organization_id.to_owned())))
    }

    /// Refuses what concerns everybody to a caller that is limited to some organisations.
    pub fn everything(&self) -> Result<(), Status> {
        match &self.caller.principal.organizations {
            None => Ok(()),
            Some(some) => {
                let some: Vec<&str> = Arc::as_ref(some).iter().map(String::as_str).collect();
                let what = format!("all organisations: this token is limited to {}", some.join(", "));
                Err(self.refuse("", Error::NotItsOrganization(what)))
            }
        }
    }

    /// Tells the audit trail; what the caller sees.
    pub fn refuse(&self, organization_id: &str, error: Error) -> Status {
        self.denials.refused(self.caller, self.action, organization_id, &error);
        status(error)
    }
}
