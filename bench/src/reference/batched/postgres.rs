//! Inserts and updates in one statement, and so in one round trip and one commit.

use std::str::FromStr as _;

use sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions};

use super::{Batch, Engine};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS messages (
    message_id          TEXT PRIMARY KEY,
    organization_id     TEXT NOT NULL,
    request_id          TEXT NOT NULL,
    recipient           TEXT NOT NULL,
    sender              TEXT NOT NULL,
    body                TEXT NOT NULL,
    status              TEXT NOT NULL,
    provider_message_id TEXT,
    create_time         TIMESTAMPTZ NOT NULL,
    accept_time         TIMESTAMPTZ
)";

/// The two parts never meet: a message is accepted only after the commit that recorded it.
const COMMIT: &str = "WITH accepted AS (
        UPDATE messages AS m SET status = 'QUEUED', provider_message_id = a.provider_message_id, accept_time = a.time
        FROM UNNEST($8::text[], $9::text[], $10::timestamptz[]) AS a (message_id, provider_message_id, time)
        WHERE m.message_id = a.message_id
    )
    INSERT INTO messages
        (message_id, organization_id, request_id, recipient, sender, body, create_time, status)
    SELECT n.*, 'REQUESTED'
    FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[]) AS n";

pub(super) struct Postgres {
    connection: PgConnection,
}

impl Postgres {
    /// The plan is made while the table is empty and kept when it is not, so scans and hashes are ruled out.
    pub(super) async fn open(url: &str) -> anyhow::Result<Self> {
        let pinned = [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off")];
        let mut connection = PgConnectOptions::from_str(url)?.options(pinned).connect().await?;
        sqlx::query(TABLE).execute(&mut connection).await?;
        Ok(Self { connection })
    }
}

impl Engine for Postgres {
    async fn commit(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        let Batch { new, accepted } = batch;
        sqlx::query(COMMIT)
            .bind(new.iter().map(|new| new.message_id.as_str()).collect::<Vec<_>>())
            .bind(new.iter().map(|new| new.organization_id.as_str()).collect::<Vec<_>>())
            .bind(new.iter().map(|new| new.request_id.as_str()).collect::<Vec<_>>())
            .bind(new.iter().map(|new| new.recipient.as_str()).collect::<Vec<_>>())
            .bind(new.iter().map(|new| new.sender.as_str()).collect::<Vec<_>>())
            .bind(new.iter().map(|new| new.body.as_str()).collect::<Vec<_>>())
            .bind(new.iter().map(|new| new.time).collect::<Vec<_>>())
            .bind(accepted.iter().map(|accepted| accepted.message_id.as_str()).collect::<Vec<_>>())
            .bind(accepted.iter().map(|accepted| accepted.provider_message_id.as_str()).collect::<Vec<_>>())
            .bind(accepted.iter().map(|accepted| accepted.time).collect::<Vec<_>>())
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
