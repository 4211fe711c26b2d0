//! Creating, renaming and finding organisations.

use std::sync::Arc;

use switchboard_runtime::{Ids, SharedClock};

use super::{Listing, Organization, OrganizationId, OrganizationName, Page};
use crate::{
    attempt::Attempt,
    audit::FieldChange,
    error::Error,
    store::{Committed, Store, StoreError},
};

/// Everything about organisations.
#[derive(Clone)]
pub struct Organizations {
    store: Arc<dyn Store>,
    clock: SharedClock,
    ids: Ids,
}

impl Organizations {
    /// The organisations in `store`.
    pub fn new(store: Arc<dyn Store>, clock: SharedClock, ids: Ids) -> Self {
        Self { store, clock, ids }
    }

    /// An id for an organisation whose founder did not choose one.
    pub fn new_id(&self) -> String {
        self.ids.next(self.clock.now())
    }

    /// Creates an organisation without a mapping.
    ///
    /// # Errors
    ///
    /// [`Error`]; then nothing has changed.
    pub async fn create(&self, attempt: &Attempt, name: &str) -> Result<Committed<Organization>, Error> {
        let (id, name) = match (OrganizationId::parse(&attempt.organization_id), OrganizationName::parse(name)) {
            (Ok(id), Ok(name)) => (id, name),
            (id, name) => return Err(Error::Invalid(id.err().into_iter().chain(name.err()).collect())),
        };
        let changes = vec![FieldChange::open("name", "", name.as_str())];
        Ok(self.store.found(&id, &name, attempt.change(self.clock.now(), changes)).await?)
    }

    /// Gives an organisation another name.
    ///
    /// # Errors
    ///
    /// [`Error`]; then nothing has changed.
    pub async fn rename(&self, attempt: &Attempt, name: &str, version: i64) -> Result<Committed<Organization>, Error> {
        let name = OrganizationName::parse(name).map_err(|violation| Error::Invalid(vec![violation]))?;
        let before = self.get(&attempt.organization_id).await?;
        let changes = vec![FieldChange::open("name", before.name, name.as_str())];
        let change = attempt.change(self.clock.now(), changes);
        Ok(self.store.rename(&attempt.organization_id, &name, version, change).await?)
    }

    /// An organisation.
    ///
    /// # Errors
    ///
    /// When it is not there, or the store cannot be read.
    pub async fn get(&self, organization_id: &str) -> Result<Organization, Error> {
        let found = self.store.organization(organization_id).await?;
        found.ok_or_else(|| StoreError::organization_not_found(organization_id).into())
    }

    /// A page of organisations.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn list(&self, listing: &Listing) -> Result<Page, Error> {
        Ok(self.store.list(listing).await?)
    }
}
