//! What a key rotation needs.

use async_trait::async_trait;

use super::{
    Engine, SqlStore, Transaction as _,
    rows::{self, Columns as _},
    statement::sql,
};
use crate::{
    audit::Draft,
    sealing::SealedRecord,
    store::{KeyStore, Result, SealedRow, Standing},
};

#[async_trait]
impl<E: Engine> KeyStore for SqlStore<E> {
    async fn raise_key_floor(&self, key_version: u32, event: Draft) -> Result<()> {
        let mut writing = self.write().await?;
        writing.meta.key_floor = writing.meta.key_floor.max(key_version);
        writing.append(event, 0).await?;
        writing.commit().await
    }

    async fn standing(&self) -> Result<Option<Standing>> {
        let row = self.engine.rows(sql("SELECT key_ring, key_floor FROM meta")).await?.pop();
        row.as_ref().map(rows::standing).transpose()
    }

    async fn records_below(&self, key_version: u32, after: (&str, &str), limit: u32) -> Result<Vec<SealedRow>> {
        let records = sql("SELECT organization_id, provider, version, sealed, wrapped_key, key_version
                           FROM provider_configs
                           WHERE key_version < $1 AND (organization_id, provider) > ($2, $3)
                           ORDER BY organization_id, provider LIMIT $4");
        let records = records.bind(key_version).bind(after.0).bind(after.1).bind(limit);
        self.engine.rows(records).await?.iter().map(rows::sealed_row).collect()
    }

    async fn rewrap(&self, rewrapped: &[(SealedRow, SealedRecord)]) -> Result<u64> {
        let mut writing = self.write().await?;
        let mut put = 0;
        for (row, record) in rewrapped {
            writing.meta.accept(record)?;
            let updated = sql("UPDATE provider_configs SET wrapped_key = $5, key_version = $6
                               WHERE organization_id = $1 AND provider = $2 AND version = $3 AND wrapped_key = $4");
            let updated = updated.bind(&row.organization_id).bind(&row.provider).bind(row.version);
            let updated = updated.bind(&*row.sealed.wrapped_key).bind(&*record.wrapped_key).bind(record.key_version);
            put += writing.tx.execute(updated).await?;
        }
        writing.commit().await?;
        Ok(put)
    }

    async fn key_versions(&self) -> Result<Vec<u32>> {
        let versions = sql("SELECT DISTINCT key_version FROM provider_configs ORDER BY key_version");
        let rows = self.engine.rows(versions).await?;
        rows.iter().map(|row| rows::key_version(row.number("key_version")?)).collect()
    }
}
