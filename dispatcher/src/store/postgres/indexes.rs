//! Indexes of tables that are in use: built concurrently, which no transaction can, and so in more than one step.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::store::StoreError;

/// A concurrent build that was interrupted leaves an index that nobody uses and that stands in the way of the next.
pub(super) async fn drop_unfinished(connection: &mut PgConnection) -> Result<(), StoreError> {
    let unfinished: Vec<String> = sqlx::query_scalar(
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid \
         WHERE NOT i.indisvalid AND t.relkind = 'r' AND (t.oid = to_regclass('message_history') \
         OR t.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('messages')))",
    )
    .fetch_all(&mut *connection)
    .await?;
    for name in unfinished {
        execute(connection, format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")).await?;
    }
    Ok(())
}

/// Makes the indexes of the partitioned table for those partitions that were there before them. Safe to repeat; a partition
/// that is made meanwhile has them from the beginning.
pub(super) async fn spread(connection: &mut PgConnection) -> Result<(), StoreError> {
    // The name is that of the index and its partition, cut as the server would cut it.
    let missing: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT i.indexrelid::regclass::text, p.inhrelid::regclass::text, \
         quote_ident(left(split_part(p.inhrelid::regclass::text, '.', -1) || '_' || c.relname, 63)), \
         substring(pg_get_indexdef(i.indexrelid) FROM ' USING .*') \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_inherits p ON p.inhparent = i.indrelid \
         WHERE i.indrelid = 'messages'::regclass AND NOT i.indisvalid AND NOT EXISTS (\
         SELECT FROM pg_inherits x JOIN pg_index y ON y.indexrelid = x.inhrelid \
         WHERE x.inhparent = i.indexrelid AND y.indrelid = p.inhrelid)",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (index, partition, name, definition) in missing {
        execute(connection, format!("CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {partition}{definition}"))
            .await?;
        // Who gets no lock at once gives way, and comes again: whoever queues for it holds up all that come after.
        let attach = format!("SET LOCAL lock_timeout = '1s'; ALTER INDEX {index} ATTACH PARTITION {name}");
        execute(connection, attach).await?;
    }
    Ok(())
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), StoreError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}
