//! Organisations.

use async_trait::async_trait;

use super::{
    Engine, SqlStore, Statement, Transaction as _, listing,
    meta::based_on,
    one,
    rows::{self, Columns as _},
    statement::sql,
};
use crate::{
    organizations::{Listing, Organization, OrganizationId, OrganizationName, Page},
    store::{Change, Committed, OrganizationStore, Result, StoreError, records::search_text},
};

#[async_trait]
impl<E: Engine> OrganizationStore for SqlStore<E> {
    async fn found(
        &self,
        id: &OrganizationId,
        name: &OrganizationName,
        change: Change,
    ) -> Result<Committed<Organization>> {
        let mut writing = self.write().await?;
        let at = change.event.at;
        if !writing.add_organization(id.as_str(), name.as_str(), at).await? {
            return Err(StoreError::OrganizationExists { organization_id: id.to_string() });
        }
        let organization = Organization {
            organization_id: id.to_string(),
            name: name.as_str().to_owned(),
            version: 1,
            provider: String::new(),
            created_at: at,
            updated_at: at,
        };
        writing.changed(id.as_str(), change, organization).await
    }

    async fn rename(
        &self,
        organization_id: &str,
        name: &OrganizationName,
        expected: i64,
        change: Change,
    ) -> Result<Committed<Organization>> {
        let mut writing = self.write().await?;
        let row = writing.tx.rows(organization_of(organization_id)).await?.pop();
        let row = row.ok_or_else(|| StoreError::organization_not_found(organization_id))?;
        let mut organization = rows::organization(&row)?;
        based_on(expected, organization.version)?;
        organization.version += 1;
        name.as_str().clone_into(&mut organization.name);
        organization.updated_at = change.event.at;
        let renamed = sql("UPDATE organizations
                           SET name = $2, search = $3, version = $4, revision = $5, update_time = $6
                           WHERE organization_id = $1");
        let renamed =
            renamed.bind(organization_id).bind(name.as_str()).bind(search_text(organization_id, name.as_str()));
        let renamed = renamed.bind(organization.version).bind(writing.revision()).bind(organization.updated_at);
        writing.tx.execute(renamed).await?;
        writing.changed(organization_id, change, organization).await
    }

    async fn organization(&self, organization_id: &str) -> Result<Option<Organization>> {
        let row = self.engine.rows(organization_of(organization_id)).await?.pop();
        row.as_ref().map(rows::organization).transpose()
    }

    async fn list(&self, listing: &Listing) -> Result<Page> {
        let mut tx = self.engine.read().await?;
        let total = if listing.filter.is_open() {
            sql("SELECT organization_count AS total FROM meta")
        } else {
            listing::count::<E>(&listing.filter)
        };
        let total = one(tx.rows(total).await?)?.number("total")?;
        let rows = tx.rows(listing::page::<E>(listing)).await?;
        tx.commit().await?;
        Ok(Page::of(rows.iter().map(rows::organization).collect::<Result<_>>()?, listing.limit, total))
    }
}

fn organization_of(organization_id: &str) -> Statement {
    sql("SELECT organization_id, name, version, provider, create_time, update_time FROM organizations
         WHERE organization_id = $1")
    .bind(organization_id)
}
