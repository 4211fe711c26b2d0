//! Reading and replacing routings.

use std::sync::Arc;

use switchboard_providers::Registry;
use switchboard_runtime::SharedClock;

use super::{Routing, check};
use crate::{
    attempt::Attempt,
    audit::FieldChange,
    error::Error,
    store::{Committed, Store, StoreError},
};

/// Everything about routing.
#[derive(Clone)]
pub struct Routes {
    store: Arc<dyn Store>,
    registry: Registry,
    clock: SharedClock,
}

impl Routes {
    /// The routings in `store`, over these vendors.
    pub fn new(store: Arc<dyn Store>, registry: Registry, clock: SharedClock) -> Self {
        Self { store, registry, clock }
    }

    /// An organisation's routing.
    ///
    /// # Errors
    ///
    /// When there is no such organisation, or the store cannot be read.
    pub async fn get(&self, organization_id: &str) -> Result<Routing, Error> {
        let found = self.store.routing(organization_id).await?;
        found.ok_or_else(|| StoreError::organization_not_found(organization_id).into())
    }

    /// Replaces an organisation's routing; `routing.version` is the one that the change is based on.
    ///
    /// # Errors
    ///
    /// [`Error`]; then nothing has changed.
    pub async fn replace(&self, attempt: &Attempt, routing: &Routing) -> Result<Committed<Routing>, Error> {
        check(routing, &self.registry)?;
        let before = self.get(&attempt.organization_id).await?;
        let change = attempt.change(self.clock.now(), before.differences(routing));
        Ok(self.store.route(&attempt.organization_id, routing, change).await?)
    }
}

impl Routing {
    /// What changes from this routing to the next, for the audit trail.
    pub fn differences(&self, next: &Self) -> Vec<FieldChange> {
        let pairs = self.described().into_iter().zip(next.described());
        pairs
            .filter(|(before, after)| before != after)
            .map(|((field, before), (_, after))| FieldChange::open(field, before, after))
            .collect()
    }
}
