//! What the replicas tell one another about the nodes that watch. Not a change: it takes no revision and no lock.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Engine, SqlStore, Transaction as _, rows, statement::sql};
use crate::store::{NodeReport, NodeStore, Result};

/// Rows in one statement: far below what either engine lets a statement bind.
const ROWS: usize = 1_000;

#[async_trait]
impl<E: Engine> NodeStore for SqlStore<E> {
    async fn report_nodes(&self, replica: &str, nodes: &[NodeReport], at: DateTime<Utc>) -> Result<()> {
        let mut tx = self.engine.note().await?;
        tx.execute(sql("DELETE FROM nodes WHERE replica = $1").bind(replica)).await?;
        for some in nodes.chunks(ROWS) {
            let mut rows =
                sql("INSERT INTO nodes (replica, report_time, node_id, kind, applied, nack_reason, last_seen) VALUES ");
            for (index, node) in some.iter().enumerate() {
                rows.push(if index == 0 { "(" } else { ", (" }).push_bind(replica).push(", ").push_bind(at);
                rows.push(", ").push_bind(&node.node_id).push(", ").push_bind(node.kind.as_str());
                rows.push(", ").push_bind(node.applied).push(", ").push_bind(&node.nack_reason);
                rows.push(", ").push_bind(node.last_seen).push(")");
            }
            tx.execute(rows).await?;
        }
        tx.commit().await
    }

    async fn nodes_elsewhere(&self, replica: &str, since: DateTime<Utc>) -> Result<Vec<NodeReport>> {
        let nodes = sql("SELECT node_id, kind, applied, nack_reason, last_seen FROM nodes
                         WHERE replica <> $1 AND report_time >= $2 ORDER BY node_id");
        self.engine.rows(nodes.bind(replica).bind(since)).await?.iter().map(rows::node).collect()
    }
}
