//! The same on SQLite: WAL, `synchronous=FULL`, one transaction for each batch, its rows handed over as JSON.

use sqlx::{
    ConnectOptions as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{Batch, Engine, New};

const TABLE: &str = "CREATE TABLE messages (
    message_id          TEXT NOT NULL PRIMARY KEY,
    organization_id     TEXT NOT NULL,
    request_id          TEXT NOT NULL,
    recipient           TEXT NOT NULL,
    sender              TEXT NOT NULL,
    body                TEXT NOT NULL,
    status              TEXT NOT NULL,
    provider_message_id TEXT,
    create_time         INTEGER NOT NULL,
    accept_time         INTEGER
) STRICT, WITHOUT ROWID";

/// All four in one call, for each call is a trip to the thread that has the database.
const COMMIT: &str = "BEGIN IMMEDIATE;
    INSERT INTO messages
        (message_id, organization_id, request_id, recipient, sender, body, create_time, status)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, 'REQUESTED'
    FROM json_each(?);
    UPDATE messages SET status = 'QUEUED', provider_message_id = a.provider_message_id, accept_time = a.time
    FROM (SELECT value ->> 0 AS id, value ->> 1 AS provider_message_id, value ->> 2 AS time FROM json_each(?)) AS a
    WHERE messages.message_id = a.id;
    COMMIT";

pub(super) struct Sqlite {
    connection: SqliteConnection,
}

impl Sqlite {
    pub(super) async fn open(path: &str) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = options.connect().await?;
        sqlx::query(TABLE).execute(&mut connection).await?;
        Ok(Self { connection })
    }
}

impl Engine for Sqlite {
    async fn commit(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        let new: Vec<_> = batch
            .new
            .iter()
            .map(|new| {
                let New { message_id, organization_id, request_id, recipient, sender, body, time } = new;
                (message_id, organization_id, request_id, recipient, sender, body, time.timestamp_micros())
            })
            .collect();
        let accepted: Vec<_> = batch
            .accepted
            .iter()
            .map(|accepted| (&accepted.message_id, &accepted.provider_message_id, accepted.time.timestamp_micros()))
            .collect();
        let json = |error| sqlx::Error::Encode(Box::new(error));
        let new = serde_json::to_string(&new).map_err(json)?;
        let accepted = serde_json::to_string(&accepted).map_err(json)?;
        sqlx::query(COMMIT).bind(new).bind(accepted).execute(&mut self.connection).await?;
        Ok(())
    }
}
