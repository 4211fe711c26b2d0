//! What the replicas tell one another about the nodes that watch. Not a change: it takes no revision and no lock.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::PostgresStore;
use crate::store::{NodeReport, NodeStore, Result, rows};

#[async_trait]
impl NodeStore for PostgresStore {
    async fn report_nodes(&self, replica: &str, nodes: &[NodeReport], at: DateTime<Utc>) -> Result<()> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("DELETE FROM nodes WHERE replica = $1").bind(replica).execute(&mut *tx).await?;
        for node in nodes {
            sqlx::query(
                "INSERT INTO nodes (replica, node_id, kind, applied, nack_reason, last_seen, report_time)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(replica)
            .bind(&node.node_id)
            .bind(node.kind.as_str())
            .bind(node.applied)
            .bind(&node.nack_reason)
            .bind(node.last_seen)
            .bind(at)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn nodes_elsewhere(&self, replica: &str, since: DateTime<Utc>) -> Result<Vec<NodeReport>> {
        let rows = sqlx::query(
            "SELECT node_id, kind, applied, nack_reason, last_seen FROM nodes
             WHERE replica <> $1 AND report_time >= $2 ORDER BY node_id",
        )
        .bind(replica)
        .bind(since)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(rows::node).collect()
    }
}
