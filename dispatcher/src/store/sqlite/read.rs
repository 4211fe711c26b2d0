//! Reading messages.

use sqlx::{AssertSqlSafe, QueryBuilder, Row as _, Sqlite, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use super::row::{COLUMNS, images, message as from_row, micros};
use crate::{
    message::{Content, Message},
    store::{Fingerprint, ListQuery, StoreError},
};

pub(super) async fn message(
    connection: &mut SqliteConnection,
    message_id: &str,
) -> Result<Option<Message>, StoreError> {
    let sql = AssertSqlSafe(format!("SELECT {COLUMNS} FROM messages WHERE id = ?1"));
    let row = sqlx::query(sql).bind(message_id).fetch_optional(&mut *connection).await?;
    complete(connection, row).await
}

pub(super) async fn by_provider_id(
    connection: &mut SqliteConnection,
    provider: &str,
    provider_message_id: &str,
) -> Result<Option<Message>, StoreError> {
    let sql = AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM messages WHERE provider_message_id = ?1 AND provider = ?2 AND provider_message_id <> '' LIMIT 1"
    ));
    let row = sqlx::query(sql).bind(provider_message_id).bind(provider).fetch_optional(&mut *connection).await?;
    complete(connection, row).await
}

/// Adds the images of an MMS that is still open.
pub(super) async fn complete(
    connection: &mut SqliteConnection,
    row: Option<SqliteRow>,
) -> Result<Option<Message>, StoreError> {
    let Some(mut message) = row.as_ref().map(from_row).transpose()? else { return Ok(None) };
    if let Content::Mms(mms) = &mut message.content {
        mms.images = images(connection, &message.id).await?;
    }
    Ok(Some(message))
}

pub(super) async fn request(
    connection: &mut SqliteConnection,
    organization_id: &str,
    request_id: &str,
) -> Result<Option<(Message, Fingerprint)>, StoreError> {
    let row =
        sqlx::query("SELECT fingerprint, message_id FROM request_ids WHERE organization_id = ?1 AND request_id = ?2")
            .bind(organization_id)
            .bind(request_id)
            .fetch_optional(&mut *connection)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let message_id: String = row.try_get("message_id")?;
    let inconsistent = |why: &str| StoreError::Inconsistent { message_id: message_id.clone(), why: why.to_owned() };
    let fingerprint = Fingerprint::try_from(row.try_get::<Vec<u8>, _>("fingerprint")?)
        .map_err(|_| inconsistent("its request's fingerprint does not have 32 bytes"))?;
    let message =
        message(connection, &message_id).await?.ok_or_else(|| inconsistent("its request is known, it is not"))?;
    Ok(Some((message, fingerprint)))
}

pub(super) async fn by_request_id(
    pool: &SqlitePool,
    organization_id: &str,
    request_id: &str,
) -> Result<Option<(Message, Fingerprint)>, StoreError> {
    request(&mut *pool.acquire().await?, organization_id, request_id).await
}

pub(super) async fn list(pool: &SqlitePool, query: &ListQuery) -> Result<Vec<Message>, StoreError> {
    let mut sql = list_sql(query);
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter().map(from_row).collect()
}

fn list_sql(query: &ListQuery) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT ");
    sql.push(COLUMNS).push(" FROM messages WHERE organization_id = ").push_bind(query.organization_id.clone());
    if let Some(to) = &query.to {
        sql.push(" AND recipient = ").push_bind(to.clone());
    }
    if let Some(provider) = &query.provider {
        sql.push(" AND provider = ").push_bind(provider.clone());
    }
    if let Some(channel) = query.channel {
        sql.push(" AND type = ").push_bind(channel.as_str());
    }
    if !query.statuses.is_empty() {
        sql.push(" AND status IN (");
        let mut list = sql.separated(", ");
        for status in &query.statuses {
            list.push_bind(status.as_str());
        }
        sql.push(")");
    }
    if query.open_only {
        sql.push(" AND status NOT IN ('DELIVERED', 'FAILED')");
    }
    if let Some(from) = query.created_from {
        sql.push(" AND created_at >= ").push_bind(micros(from));
    }
    if let Some(before) = query.created_before {
        sql.push(" AND created_at < ").push_bind(micros(before));
    }
    if let Some((time, id)) = &query.after {
        sql.push(" AND (created_at, id) < (").push_bind(micros(*time)).push(", ").push_bind(id.clone()).push(")");
    }
    sql.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(query.limit);
    sql
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use switchboard_providers::model::Channel;

    use super::*;
    use crate::{message::Status, store::sqlite::SqliteStore};

    /// How SQLite goes about a statement.
    async fn plan(pool: &SqlitePool, sql: &str) -> String {
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).fetch_all(pool).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("; ")
    }

    #[tokio::test]
    async fn every_list_walks_an_index_in_its_own_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("plans.db"), Duration::from_secs(30)).await.unwrap();
        let instant = chrono::DateTime::UNIX_EPOCH;
        let acme = || ListQuery { organization_id: "acme".to_owned(), limit: 50, ..ListQuery::default() };
        let queries = [
            acme(),
            ListQuery { statuses: vec![Status::Queued, Status::Sent], ..acme() },
            ListQuery { provider: Some("cloudmsg".to_owned()), ..acme() },
            ListQuery { to: Some("+821012345678".to_owned()), ..acme() },
            ListQuery { channel: Some(Channel::Mms), ..acme() },
            ListQuery { created_from: Some(instant), created_before: Some(instant), ..acme() },
            ListQuery { open_only: true, created_before: Some(instant), ..acme() },
            ListQuery { after: Some((instant, "m1".to_owned())), ..acme() },
            ListQuery { to: Some("+821012345678".to_owned()), after: Some((instant, "m1".to_owned())), ..acme() },
        ];
        for query in queries {
            let index = if query.to.is_some() { "messages_by_recipient" } else { "messages_by_organization" };
            let plan = plan(&store.readers, list_sql(&query).sql().as_str()).await;
            assert!(plan.contains(&format!("USING INDEX {index}")), "{query:?}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "nothing is sorted afterwards: {plan}");
        }
    }

    #[tokio::test]
    async fn what_is_due_and_what_a_vendor_names_is_found_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("plans.db"), Duration::from_secs(30)).await.unwrap();
        let statements = [
            ("SELECT id, checks FROM messages WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2", "messages_due"),
            (crate::store::sqlite::census::OPEN, "messages_due"),
            (
                "SELECT id FROM messages WHERE provider_message_id = ?1 AND provider = ?2 AND provider_message_id <> '' LIMIT 1",
                "messages_by_provider_id",
            ),
            (
                "SELECT body FROM parked_updates WHERE provider_message_id = ?1 ORDER BY parked_at",
                "parked_by_provider_id",
            ),
        ];
        for (sql, index) in statements {
            let plan = plan(&store.readers, sql).await;
            assert!(plan.contains(index), "{sql}: {plan}");
        }
    }
}
