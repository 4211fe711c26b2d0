//! The roles of people and machines.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What a caller is. A caller may have several; none includes another, the [`Policy`](super::Policy) lists each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Reads, recipients masked.
    Viewer,
    /// Also writes and tests.
    Operator,
    /// Also forces, and manages organisations.
    Superadmin,
    /// Reads the audit trail, nothing else.
    Auditor,
    /// A machine that sends and reads its messages.
    Sender,
    /// A dispatcher: watches, and receives credentials.
    Dispatcher,
    /// A webhook gateway: watches for webhook secrets, reports statuses.
    WebhookGateway,
}

/// A name that is no role.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown role {0:?}; the roles are VIEWER, OPERATOR, SUPERADMIN, AUDITOR, SENDER, DISPATCHER, WEBHOOK_GATEWAY")]
pub struct UnknownRole(pub String);

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Viewer,
        Self::Operator,
        Self::Superadmin,
        Self::Auditor,
        Self::Sender,
        Self::Dispatcher,
        Self::WebhookGateway,
    ];

    /// The name in files, tokens and errors.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "VIEWER",
            Self::Operator => "OPERATOR",
            Self::Superadmin => "SUPERADMIN",
            Self::Auditor => "AUDITOR",
            Self::Sender => "SENDER",
            Self::Dispatcher => "DISPATCHER",
            Self::WebhookGateway => "WEBHOOK_GATEWAY",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == name).ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

/// A set of roles, small enough to be copied with every call.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Roles(u8);

impl Roles {
    /// Whether `role` is among them.
    #[must_use]
    pub const fn contains(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// Whether both sets have a role in common.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The roles, in the order of [`Role::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |set, role| set | 1 << role as u8))
    }
}

impl From<&[Role]> for Roles {
    fn from(roles: &[Role]) -> Self {
        roles.iter().copied().collect()
    }
}

/// `OPERATOR,SUPERADMIN`.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, role) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(role.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_reads_back_and_nothing_else_is_one() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        let error = "OPERATR".parse::<Role>().unwrap_err().to_string();
        for role in Role::ALL {
            assert!(error.contains(role.as_str()), "{error}");
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_no_more() {
        for role in Role::ALL {
            let set = Roles::from_iter([role]);
            assert_eq!(set.iter().collect::<Vec<_>>(), [role]);
            assert!(set.intersects(Roles::from(&Role::ALL[..])));
        }
        assert!(Roles::default().is_empty());
        assert!(!Roles::default().intersects(Roles::from(&Role::ALL[..])));
        assert_eq!(Roles::from_iter([Role::Sender, Role::Viewer]).to_string(), "VIEWER,SENDER");
    }
}
