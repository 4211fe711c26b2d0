//! Who a call comes from.

use std::collections::BTreeSet;
use std::sync::Arc;

use tonic::{Request, Status};

use super::{Role, Roles};
use crate::error::{Problem, Reason};

/// An authenticated caller. Cheap to copy: it travels with every call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name of its entry in the tokens file, for the audit trail.
    pub name: Arc<str>,
    /// What it is.
    pub roles: Roles,
    /// The organisations it is limited to; `None` is all of them.
    pub organizations: Option<Arc<BTreeSet<String>>>,
}

impl Principal {
    /// A caller of this name and these roles, limited to `organizations` when given.
    pub fn new(
        name: impl Into<Arc<str>>,
        roles: impl IntoIterator<Item = Role>,
        organizations: Option<BTreeSet<String>>,
    ) -> Self {
        Self { name: name.into(), roles: roles.into_iter().collect(), organizations: organizations.map(Arc::new) }
    }

    /// Who made this request, as [`AuthLayer`](super::AuthLayer) found out.
    ///
    /// # Errors
    /// `TOKEN_MISSING` when the request has not passed the layer.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem::new(Reason::TokenMissing, "the call was not authenticated").into())
    }

    /// Whether it has at least one of `roles`.
    #[must_use]
    pub fn has_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.roles.contains(*role))
    }

    /// Whether it may act for the organisation.
    #[must_use]
    pub fn may_act_for(&self, organization_id: &str) -> bool {
        match &self.organizations {
            None => true,
            Some(organizations) => organizations.contains(organization_id),
        }
    }

    /// Refuses an organisation that it is not limited to.
    ///
    /// # Errors
    /// `ROLE_REQUIRED` naming the organisation.
    pub fn authorize_organization(&self, organization_id: &str) -> Result<(), Status> {
        if self.may_act_for(organization_id) {
            return Ok(());
        }
        let message = format!("this token may not act for the organisation {organization_id:?}");
        Err(Problem::new(Reason::RoleRequired, message).metadata("organization_id", organization_id).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::reason_of;

    #[test]
    fn a_limited_caller_acts_for_its_organisations_alone() {
        let limited = Principal::new("hospital", [Role::Sender], Some(["a".to_owned()].into()));
        assert!(limited.authorize_organization("a").is_ok());
        let refused = limited.authorize_organization("b").unwrap_err();
        assert_eq!(reason_of(&refused).as_deref(), Some("ROLE_REQUIRED"));
        assert!(refused.message().contains("\"b\""));
        assert!(limited.authorize_organization("").is_err());
    }

    #[test]
    fn a_caller_without_limits_acts_for_all() {
        let sender = Principal::new("sender", [Role::Sender], None);
        assert!(sender.authorize_organization("any").is_ok());
        assert!(sender.has_any(&[Role::Viewer, Role::Sender]));
        assert!(!sender.has_any(&[Role::Viewer]));
    }

    #[test]
    fn limited_to_nothing_is_nothing() {
        let nobody = Principal::new("nobody", [Role::Sender], Some(BTreeSet::new()));
        assert!(nobody.authorize_organization("a").is_err());
    }
}
