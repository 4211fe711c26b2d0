//! How this engine keeps values: instants as `TIMESTAMPTZ`, flags as `BOOLEAN`.

use chrono::{DateTime, Utc};
use sqlx::{Postgres, QueryBuilder, Row as _, postgres::PgRow};

use super::super::{Result, listing_sql::Dialect, rows::Columns};

impl Columns for PgRow {
    fn text(&self, column: &str) -> Result<String> {
        Ok(self.try_get(column)?)
    }

    fn number(&self, column: &str) -> Result<i64> {
        Ok(self.try_get(column)?)
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        Ok(self.try_get(column)?)
    }

    fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.try_get(column)?)
    }

    fn instant(&self, column: &str) -> Result<DateTime<Utc>> {
        Ok(self.try_get(column)?)
    }

    fn instant_if_set(&self, column: &str) -> Result<Option<DateTime<Utc>>> {
        Ok(self.try_get(column)?)
    }

    fn is_null(&self, column: &str) -> Result<bool> {
        use sqlx::ValueRef as _;
        Ok(self.try_get_raw(column)?.is_null())
    }
}

impl Dialect for Postgres {
    const POSITION: &'static str = "strpos";

    fn push_instant(query: &mut QueryBuilder<Self>, instant: DateTime<Utc>) {
        query.push_bind(instant);
    }
}
