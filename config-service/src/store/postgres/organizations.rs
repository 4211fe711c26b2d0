//! Organisations.

use async_trait::async_trait;

use super::{ONE_MOMENT, PostgresStore};
use crate::{
    organizations::{Listing, Organization, OrganizationId, OrganizationName, Page},
    store::{
        Change, Committed, OrganizationStore, Result, StoreError, listing_sql, meta::based_on, records::search_text,
        rows,
    },
};

#[async_trait]
impl OrganizationStore for PostgresStore {
    async fn found(
        &self,
        id: &OrganizationId,
        name: &OrganizationName,
        change: Change,
    ) -> Result<Committed<Organization>> {
        let mut writing = self.write().await?;
        let at = change.event.at;
        let added = sqlx::query(
            "INSERT INTO organizations (organization_id, name, search, version, revision, create_time, update_time)
             VALUES ($1, $2, $3, 1, $4, $5, $5) ON CONFLICT DO NOTHING",
        )
        .bind(id.as_str())
        .bind(name.as_str())
        .bind(search_text(id.as_str(), name.as_str()))
        .bind(writing.revision())
        .bind(at)
        .execute(writing.connection())
        .await?;
        if added.rows_affected() == 0 {
            return Err(StoreError::OrganizationExists { organization_id: id.to_string() });
        }
        writing.meta.organization_count += 1;
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
        let row = sqlx::query(
            "SELECT organization_id, name, version, provider, create_time, update_time FROM organizations
             WHERE organization_id = $1",
        )
        .bind(organization_id)
        .fetch_optional(writing.connection())
        .await?
        .ok_or_else(|| StoreError::organization_not_found(organization_id))?;
        let mut organization = rows::organization(&row)?;
        based_on(expected, organization.version)?;
        organization.version += 1;
        name.as_str().clone_into(&mut organization.name);
        organization.updated_at = change.event.at;
        sqlx::query(
            "UPDATE organizations SET name = $2, search = $3, version = $4, revision = $5, update_time = $6
             WHERE organization_id = $1",
        )
        .bind(organization_id)
        .bind(name.as_str())
        .bind(search_text(organization_id, name.as_str()))
        .bind(organization.version)
        .bind(writing.revision())
        .bind(organization.updated_at)
        .execute(writing.connection())
        .await?;
        writing.changed(organization_id, change, organization).await
    }

    async fn organization(&self, organization_id: &str) -> Result<Option<Organization>> {
        let row = sqlx::query(
            "SELECT organization_id, name, version, provider, create_time, update_time FROM organizations
             WHERE organization_id = $1",
        )
        .bind(organization_id)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(rows::organization).transpose()
    }

    async fn list(&self, listing: &Listing) -> Result<Page> {
        let mut tx = self.pool.begin_with(ONE_MOMENT).await?;
        let total: i64 = if listing.filter.is_open() {
            sqlx::query_scalar("SELECT organization_count FROM meta").fetch_one(&mut *tx).await?
        } else {
            listing_sql::count::<sqlx::Postgres>(&listing.filter).build_query_scalar().fetch_one(&mut *tx).await?
        };
        let rows = listing_sql::page::<sqlx::Postgres>(listing).build().fetch_all(&mut *tx).await?;
        tx.commit().await?;
        Ok(Page::of(rows.iter().map(rows::organization).collect::<Result<_>>()?, listing.limit, total))
    }
}
