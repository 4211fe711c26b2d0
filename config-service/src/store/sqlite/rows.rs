//! How this engine keeps values: instants as microseconds since 1970, flags as 0 and 1.

use chrono::{DateTime, Utc};
use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::super::{Result, StoreError, listing_sql::Dialect, rows::Columns};

impl Columns for SqliteRow {
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
        Ok(self.number(column)? != 0)
    }

    fn instant(&self, column: &str) -> Result<DateTime<Utc>> {
        instant(self.number(column)?)
    }

    fn instant_if_set(&self, column: &str) -> Result<Option<DateTime<Utc>>> {
        self.try_get::<Option<i64>, _>(column)?.map(instant).transpose()
    }

    fn is_null(&self, column: &str) -> Result<bool> {
        use sqlx::ValueRef as _;
        Ok(self.try_get_raw(column)?.is_null())
    }
}

fn instant(micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| StoreError::inconsistent(format!("{micros} is no instant")))
}

impl Dialect for Sqlite {
    const POSITION: &'static str = "instr";

    fn push_instant(query: &mut QueryBuilder<Self>, instant: DateTime<Utc>) {
        query.push_bind(instant.timestamp_micros());
    }
}
