//! What a key rotation needs.

use async_trait::async_trait;

use super::SqliteStore;
use crate::{
    audit::Draft,
    sealing::SealedRecord,
    store::{KeyStore, Result, SealedRow, Standing, rows},
};

#[async_trait]
impl KeyStore for SqliteStore {
    async fn raise_key_floor(&self, key_version: u32, event: Draft) -> Result<()> {
        let mut writing = self.write().await?;
        writing.meta.key_floor = writing.meta.key_floor.max(key_version);
        writing.append(event, 0).await?;
        writing.commit().await
    }

    async fn standing(&self) -> Result<Option<Standing>> {
        let row = sqlx::query("SELECT key_ring, key_floor FROM meta").fetch_optional(&self.readers).await?;
        row.as_ref().map(rows::standing).transpose()
    }

    async fn records_below(&self, key_version: u32, after: (&str, &str), limit: u32) -> Result<Vec<SealedRow>> {
        let rows = sqlx::query(
            "SELECT organization_id, provider, version, sealed, wrapped_key, key_version FROM provider_configs
             WHERE key_version < $1 AND (organization_id, provider) > ($2, $3)
             ORDER BY organization_id, provider LIMIT $4",
        )
        .bind(i64::from(key_version))
        .bind(after.0)
        .bind(after.1)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(rows::sealed_row).collect()
    }

    async fn rewrap(&self, rewrapped: &[(SealedRow, SealedRecord)]) -> Result<u64> {
        let mut writing = self.write().await?;
        let mut put = 0;
        for (row, record) in rewrapped {
            writing.meta.accept(record)?;
            let updated = sqlx::query(
                "UPDATE provider_configs SET wrapped_key = $5, key_version = $6
                 WHERE organization_id = $1 AND provider = $2 AND version = $3 AND wrapped_key = $4",
            )
            .bind(&row.organization_id)
            .bind(&row.provider)
            .bind(row.version)
            .bind(&row.sealed.wrapped_key)
            .bind(&record.wrapped_key)
            .bind(i64::from(record.key_version))
            .execute(writing.connection())
            .await?;
            put += updated.rows_affected();
        }
        writing.commit().await?;
        Ok(put)
    }

    async fn key_versions(&self) -> Result<Vec<u32>> {
        let versions: Vec<i64> =
            sqlx::query_scalar("SELECT DISTINCT key_version FROM provider_configs ORDER BY key_version")
                .fetch_all(&self.readers)
                .await?;
        versions.into_iter().map(rows::key_version).collect()
    }
}
