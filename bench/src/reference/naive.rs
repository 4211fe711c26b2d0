//! What a good engineer writes by hand.

use sqlx::{PgPool, postgres::PgPoolOptions};
use switchboard_proto::dispatch::v1::SendSmsRequest;
use switchboard_runtime::{Clock as _, SystemClock};

use super::{
    Places,
    service::{self, Carrier},
    vendor::{Client as _, Usual},
};

/// Connections of the pool: enough that commits overlap, few enough that PostgreSQL does not thrash.
const CONNECTIONS: u32 = 20;

const TABLE: &str = "CREATE TABLE messages (
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
const INSERT: &str = "INSERT INTO messages
    (message_id, organization_id, request_id, recipient, sender, body, status, create_time)
    VALUES ($1, $2, $3, $4, $5, $6, 'REQUESTED', $7)";
const UPDATE: &str =
    "UPDATE messages SET status = 'QUEUED', provider_message_id = $2, accept_time = $3 WHERE message_id = $1";

struct Naive {
    pool: PgPool,
    vendor: Usual,
}

/// Serves until the process is killed.
pub(super) async fn serve(places: &Places) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&places.database_url).await?;
    sqlx::query(TABLE).execute(&pool).await?;
    service::serve(Naive { pool, vendor: Usual::new(&places.vendor_url)? }).await
}

impl Carrier for Naive {
    async fn carry(&self, message_id: &str, request: &SendSmsRequest) -> anyhow::Result<String> {
        sqlx::query(INSERT)
            .bind(message_id)
            .bind(&request.organization_id)
            .bind(&request.request_id)
            .bind(&request.to)
            .bind(&request.sender)
            .bind(&request.text)
            .bind(SystemClock.now())
            .execute(&self.pool)
            .await?;
        let provider_message_id = self.vendor.send(message_id, request).await?;
        sqlx::query(UPDATE)
            .bind(message_id)
            .bind(&provider_message_id)
            .bind(SystemClock.now())
            .execute(&self.pool)
            .await?;
        Ok(provider_message_id)
    }
}
