//! Which roles each method takes. A method without a row is closed to everyone.

use std::collections::{BTreeSet, HashMap};

use super::{Role, Roles};

/// Methods open to everyone: health and reflection.
const OPEN: [&str; 3] =
    ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];

/// The table of a server's methods.
///
/// ```
/// use switchboard_runtime::auth::{Policy, Role};
///
/// let policy = Policy::new([("/switchboard.dispatch.v1.MessageService/SendSms", &[Role::Sender][..])]);
/// assert!(policy.roles_for("/switchboard.dispatch.v1.MessageService/SendMms").is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Policy {
    methods: HashMap<&'static str, Roles>,
}

impl Policy {
    /// A policy of rows: full method path, roles of which a caller needs one.
    pub fn new(rows: impl IntoIterator<Item = (&'static str, &'static [Role])>) -> Self {
        let rows = rows.into_iter().map(|(method, roles)| (method, Roles::from(roles)));
        Self { methods: rows.collect() }
    }

    /// The roles of which `method` needs one; none for a method that has no row.
    #[must_use]
    pub fn roles_for(&self, method: &str) -> Roles {
        self.methods.get(method).copied().unwrap_or_default()
    }

    /// Whether `method` needs no token at all.
    #[must_use]
    pub fn is_open(method: &str) -> bool {
        OPEN.iter().any(|service| method.starts_with(service))
    }

    /// Every method that has a row.
    pub fn methods(&self) -> impl Iterator<Item = &'static str> {
        self.methods.keys().copied()
    }

    /// The full names of the services that have a row, sorted: what a server with this policy offers.
    #[must_use]
    pub fn services(&self) -> BTreeSet<&'static str> {
        self.methods().filter_map(|method| method.split('/').nth(1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_and_reflection_are_open_and_their_like_are_not() {
        assert!(Policy::is_open("/grpc.health.v1.Health/Check"));
        assert!(Policy::is_open("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"));
        for closed in ["/grpc.health.v1.Healthy/Check", "/grpc.health.v1.Health", "", "/", "/a.B/C"] {
            assert!(!Policy::is_open(closed), "{closed}");
        }
    }

    #[test]
    fn the_rows_name_the_services() {
        let policy = Policy::new([
            ("/a.v1.B/One", &[Role::Viewer][..]),
            ("/a.v1.B/Two", &[Role::Operator][..]),
            ("/a.v1.C/One", &[][..]),
        ]);
        assert_eq!(policy.services().into_iter().collect::<Vec<_>>(), ["a.v1.B", "a.v1.C"]);
        assert!(policy.roles_for("/a.v1.B/One").contains(Role::Viewer));
        assert!(policy.roles_for("/a.v1.C/One").is_empty());
    }
}
