//! One try of a caller to read or change something: who, from where, what, and under which conditions.

use std::{net::SocketAddr, time::Duration};

use chrono::{DateTime, Utc};
use switchboard_runtime::auth::{Principal, Role};

use crate::{
    audit::{Draft, FieldChange, OK},
    error::Error,
    store::Change,
};

/// Who calls, and from where.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// From where, when the transport says.
    pub peer: Option<SocketAddr>,
}

/// One try to do something. The audit trail gets exactly this, whatever becomes of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Who.
    pub caller: Caller,
    /// What, by the name of the RPC.
    pub action: &'static str,
    /// The organisation, as given.
    pub organization_id: String,
    /// The vendor, as given.
    pub provider: String,
    /// The caller's request id.
    pub request_id: String,
    /// Check all, change nothing.
    pub dry_run: bool,
    /// Skip the connection test.
    pub forced: bool,
    /// How long to wait until every connected dispatcher has applied the change.
    pub wait_applied: Duration,
}

impl Attempt {
    /// An attempt without any condition.
    pub fn of(caller: Caller, action: &'static str, organization_id: impl Into<String>) -> Self {
        Self {
            caller,
            action,
            organization_id: organization_id.into(),
            provider: String::new(),
            request_id: String::new(),
            dry_run: false,
            forced: false,
            wait_applied: Duration::ZERO,
        }
    }

    /// Refuses a caller that is limited to other organisations.
    ///
    /// # Errors
    ///
    /// [`Error::NotItsOrganization`].
    pub fn authorize(&self) -> Result<(), Error> {
        if self.caller.principal.may_act_for(&self.organization_id) {
            Ok(())
        } else {
            Err(Error::NotItsOrganization(self.organization_id.clone()))
        }
    }

    /// Refuses force by anybody but a superadmin.
    ///
    /// # Errors
    ///
    /// [`Error::RoleRequired`].
    pub fn authorize_force(&self) -> Result<(), Error> {
        if !self.forced || self.caller.principal.has_any(&[Role::Superadmin]) {
            Ok(())
        } else {
            Err(Error::RoleRequired { what: "skip_connection_test", role: Role::Superadmin.as_str() })
        }
    }

    /// The event of this attempt.
    pub fn draft(&self, at: DateTime<Utc>, outcome: &str, changes: Vec<FieldChange>) -> Draft {
        let principal = &self.caller.principal;
        Draft {
            at,
            actor: principal.name.to_string(),
            roles: principal.roles.iter().map(|role| role.to_string()).collect(),
            action: self.action.to_owned(),
            organization_id: short(&self.organization_id),
            provider: short(&self.provider),
            outcome: outcome.to_owned(),
            changes,
            forced: self.forced,
            request_id: short(&self.request_id),
            peer: self.caller.peer.map(|peer| peer.to_string()).unwrap_or_default(),
        }
    }

    /// What a change of this attempt carries into the store.
    pub fn change(&self, at: DateTime<Utc>, changes: Vec<FieldChange>) -> Change {
        Change { event: self.draft(at, OK, changes), dry_run: self.dry_run }
    }
}

/// What a caller wrote into an id, cut to the length that ids have: it may be anything.
fn short(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(64).collect()
}
