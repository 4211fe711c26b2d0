//! A long past: copies of one message that the dispatcher itself has sent and settled, spread over two months.

use std::{str::FromStr as _, time::Duration};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use switchboard_proto::dispatch::v1::{GetMessageRequest, MessageStatus};
use switchboard_runtime::error::describe;
use tokio::time::{Instant, sleep};

use crate::{
    load::{self, Traffic},
    output,
    switchboard::House,
};

/// Rows of one statement.
const CHUNK: u64 = 100_000;
/// Connections that fill.
const AT_ONCE: usize = 2;
const PATIENCE: Duration = Duration::from_secs(30);

/// With what hangs on a message: the vendor's name for it, the key of its one event, and its request id for as long as
/// retention keeps one.
const FILL: &str = "WITH past AS (\
        SELECT n, at, substr(hex, 1, 8) || '-' || substr(hex, 9, 4) || '-7' || substr(noise, 1, 3) || '-8' \
        || substr(noise, 4, 3) || '-' || substr(noise, 7, 12) AS name, $4::text[] AS organizations \
        FROM generate_series($1::bigint, $2) AS n, \
        LATERAL (SELECT now() - interval '60 days' * (1 - n::float8 / $3), md5(n::text)) AS when_ (at, noise), \
        LATERAL (SELECT lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')) AS ms (hex)), \
    filled AS (\
        INSERT INTO messages (id, organization_id, type, recipient, sender, body, status, created_at, provider, \
        provider_account, account_organization_id, config_revision, provider_config_version, provider_message_id, \
        request_id, labels, content, events, accepted_at, result_at) \
        SELECT name, organizations[1 + n % cardinality(organizations)], type, \
        '+8210' || lpad((n * 7919 % 100000000)::text, 8, '0'), sender, body, status, at, provider, provider_account, \
        account_organization_id, config_revision, provider_config_version, 'm-' || name, 'past-' || n, labels, content, \
        events, at, at FROM past, (SELECT * FROM messages WHERE status = 'DELIVERED' LIMIT 1) AS one \
        RETURNING id, organization_id, request_id, provider, provider_message_id, created_at), \
    named AS (\
        INSERT INTO provider_message_ids (provider_message_id, provider, message_id, created_at) \
        SELECT provider_message_id, provider, id, created_at FROM filled), \
    keyed AS (\
        INSERT INTO event_keys (event_key, message_id, recorded_at) SELECT sha256(id::bytea), id, created_at FROM filled) \
    INSERT INTO request_ids (organization_id, request_id, fingerprint, message_id, created_at) \
    SELECT organization_id, request_id, sha256(id::bytea), id, created_at FROM filled \
    WHERE created_at > now() - interval '7 days'";

/// What the vendors' callbacks would have done to what is still open: without them it would be looked up for ever after.
const SETTLE: &str = "WITH open AS (DELETE FROM open_messages RETURNING message_id, created_at) \
    UPDATE messages SET status = 'DELIVERED', result_at = now(), due_at = NULL, listed_at = NULL FROM open \
    WHERE id = message_id AND messages.created_at = open.created_at";

/// Sends a message, and waits until it is delivered.
///
/// # Errors
/// When that does not happen in time.
pub(super) async fn template(house: &House, database_url: &str, organization: &str) -> anyhow::Result<()> {
    let settings = [("dispatcher.database_url", database_url), ("dispatcher.reconcile_after", "1s")];
    let dispatcher = house.dispatcher("dispatcher", &settings).await?;
    let mut client = load::clients(&dispatcher.url, &house.token("sender")?, 1)?.pop().context("no client")?;
    let request = Traffic::new(vec![organization.to_owned()], 0).request(0, 0);
    let sent = client.send_sms(request).await.map_err(|status| anyhow::anyhow!("{}", describe(&status)))?;
    let message_id = sent.into_inner().message.context("a reply without a message")?.message_id;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = client.get_message(GetMessageRequest { message_id: message_id.clone() }).await;
        let message = reply.map_err(|status| anyhow::anyhow!("{}", describe(&status)))?.into_inner().message;
        if message.is_some_and(|message| message.status() == MessageStatus::Delivered) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "the message to copy was not delivered in {PATIENCE:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Makes so many rows of it.
///
/// # Errors
/// What PostgreSQL says.
pub(super) async fn fill(database_url: &str, rows: u64, organizations: &[String]) -> anyhow::Result<()> {
    let begun = Instant::now();
    let chunks = (0..rows).step_by(usize::try_from(CHUNK)?).map(|start| (start + 1, rows.min(start + CHUNK)));
    stream::iter(chunks)
        .map(|(first, last)| async move {
            // Rows that a crash would lose are made again by running it again.
            let options = PgConnectOptions::from_str(database_url)?.options([("synchronous_commit", "off")]);
            let mut connection = options.connect().await?;
            sqlx::query(FILL)
                .bind(i64::try_from(first)?)
                .bind(i64::try_from(last)?)
                .bind(i64::try_from(rows)?)
                .bind(organizations)
                .execute(&mut connection)
                .await?;
            if last % (CHUNK * 10) == 0 || last == rows {
                output::note(format_args!("{last} messages made in {:.0} s", begun.elapsed().as_secs_f64()));
            }
            anyhow::Ok(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    // As the server does by itself some time after so many rows.
    execute(database_url, "VACUUM ANALYZE").await
}

/// Brings the results of everything that was sent.
///
/// # Errors
/// What PostgreSQL says.
pub(super) async fn settle(database_url: &str) -> anyhow::Result<()> {
    execute(database_url, SETTLE).await
}

async fn execute(database_url: &str, sql: &'static str) -> anyhow::Result<()> {
    let mut connection = PgConnectOptions::from_str(database_url)?.connect().await?;
    sqlx::raw_sql(sql).execute(&mut connection).await?;
    Ok(())
}
