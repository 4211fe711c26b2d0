//! The history of the system before this one is taken over while it is in use.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use switchboard_dispatcher::{
    message::{Content, Status},
    outbound::Outgoing,
    store::{ListQuery, Store as _, StoreError, postgres::PostgresStore},
};
use switchboard_runtime::{Clock as _, SystemClock};
use tokio_util::sync::CancellationToken;

use crate::store::{
    build::{commit, message, record},
    harness::Engine as _,
    server::Postgres,
};

const LEGACY: &str = include_str!("../../../../../migrations/dispatcher/postgres/0001_legacy_history.sql");

/// What the system before this one writes.
const WRITE: &str = "INSERT INTO message_history (id, organization_id, type, recipient, sender, body, status, created_at) \
    VALUES ($1, 'acme', 'SMS', '+821012345678', '15881234', '옛 글', 'SENT', $2)";

/// A database as the system before this one leaves it, with so many rows of the last year.
async fn legacy(rows: u32) -> Postgres {
    let engine = Postgres::create().await;
    engine.run(LEGACY).await;
    engine
        .run(format!(
            "INSERT INTO message_history SELECT 'old-' || n, 'org-' || n % 500, \
             (ARRAY ['SMS', 'LMS', 'MMS', 'ALIMTALK'])[1 + n % 4], '+8210' || lpad((n % 9973)::text, 8, '0'), '15881234', \
             '옛 글 ' || n, (ARRAY ['REQUESTED', 'SENT', 'DELIVERED', 'FAILED'])[1 + n % 4], \
             now() - make_interval(secs => 31536000 * (1 - n / {rows}::float8)) FROM generate_series(1, {rows}) AS n"
        ))
        .await;
    engine
}

/// Writes and reads as the system before this one does until told to stop: how many rows, and the longest wait for one.
async fn old_system(pool: PgPool, stop: CancellationToken) -> (u32, Duration) {
    write_and_read(pool, WRITE, "SELECT body FROM message_history WHERE id = $1", stop).await
}

async fn write_and_read(
    pool: PgPool,
    write: &'static str,
    read: &'static str,
    stop: CancellationToken,
) -> (u32, Duration) {
    let (mut written, mut longest) = (0, Duration::ZERO);
    while !stop.is_cancelled() {
        let began = Instant::now();
        let id = format!("live-{written}");
        sqlx::query(write).bind(&id).bind(SystemClock.now()).execute(&pool).await.unwrap();
        let read: String = sqlx::query_scalar(read).bind(&id).fetch_one(&pool).await.unwrap();
        assert_eq!(read, "옛 글");
        longest = longest.max(began.elapsed());
        written += 1;
    }
    (written, longest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_history_is_taken_over_by_two_replicas_while_it_is_written_and_read() {
    const ROWS: u32 = 200_000;
    let engine = legacy(ROWS).await;
    let stop = CancellationToken::new();
    let url = engine.url();
    let migrating = async {
        let (first, second) = tokio::join!(PostgresStore::migrate(&url), PostgresStore::migrate(&url));
        stop.cancel();
        first.unwrap();
        second.unwrap();
        engine.store_as(&url).await.unwrap()
    };
    let ((written, longest), store) = tokio::join!(old_system(engine.raw().await, stop.clone()), migrating);
    assert!(written > 0 && longest < Duration::from_secs(3), "{written} rows, the longest wait {longest:?}");
    // The old table goes on taking rows under its old name, and they are messages at once.
    sqlx::query(WRITE).bind("after").bind(SystemClock.now()).execute(&engine.raw().await).await.unwrap();
    assert_eq!(engine.rows("messages").await, i64::from(ROWS + written + 1));
    for id in ["old-1", "old-2", "old-3", "old-100000", "old-200000", "live-0", "after"] {
        let message = store.message(id).await.unwrap().unwrap();
        assert!(message.content.body().starts_with("옛 글"));
        assert_eq!(message.route.provider, "cloudmsg", "the only vendor there was");
    }
    let query = ListQuery { organization_id: "org-7".to_owned(), limit: 1000, ..ListQuery::default() };
    let listed = store.list(&query).await.unwrap();
    assert_eq!(listed.len(), usize::try_from(ROWS / 500).unwrap());
    assert!(listed.is_sorted_by(|a, b| a.create_time > b.create_time));
    // New messages stand beside the old ones.
    commit(&store, record(message("new"))).await;
    assert!(store.message("new").await.unwrap().is_some());
}

#[tokio::test]
async fn rows_of_the_history_before_this_one_are_read_and_never_sent_again() {
    let engine = legacy(4).await;
    let store = engine.open().await;
    let statuses = [Status::Sent, Status::Delivered, Status::Failed, Status::Requested];
    for (number, status) in (1..).zip(statuses) {
        let message = store.message(&format!("old-{number}")).await.unwrap().unwrap();
        assert_eq!(message.state.status(), status);
        assert!(matches!(message.content, Content::Archived { .. }));
        assert!(Outgoing::try_from(&message).is_err());
    }
    let far = DateTime::<Utc>::from_timestamp(4_000_000_000, 0).unwrap();
    assert!(store.claim_due(far, 100).await.unwrap().is_empty(), "nobody looks after them");
}

#[tokio::test]
async fn an_interrupted_build_of_an_index_is_taken_up_again() {
    let engine = legacy(10).await;
    // What a killed migration leaves: the index by id, half built.
    engine.run("CREATE UNIQUE INDEX message_history_by_id ON message_history (id)").await;
    engine.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'message_history_by_id'::regclass").await;
    let store = engine.open().await;
    assert!(store.message("old-1").await.unwrap().is_some());
    let columns: i16 =
        sqlx::query_scalar("SELECT indnatts FROM pg_index WHERE indexrelid = 'message_history_by_id'::regclass")
            .fetch_one(&engine.raw().await)
            .await
            .unwrap();
    assert_eq!(columns, 3);
}

/// What the migrations before the index by day leave, with a build of it for one partition that was interrupted.
const BEFORE_THE_NEW_INDEXES: &str = "DROP INDEX messages_by_day; DROP INDEX messages_by_time; \
    CREATE INDEX messages_by_organization ON messages (organization_id, created_at DESC, id DESC); \
    CREATE INDEX messages_by_recipient ON messages (organization_id, recipient, created_at DESC, id DESC); \
    CREATE INDEX messages_default_messages_by_day ON messages_default (id); \
    UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'messages_default_messages_by_day'::regclass; \
    DELETE FROM _sqlx_migrations WHERE version >= 15";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_partition_gets_a_new_index_while_it_is_in_use() {
    let engine = Postgres::create().await;
    drop(engine.open().await);
    engine.run(BEFORE_THE_NEW_INDEXES).await;
    let stop = CancellationToken::new();
    let (url, pool) = (engine.url(), engine.raw().await);
    let migrating = async {
        let (first, second) = tokio::join!(PostgresStore::migrate(&url), PostgresStore::migrate(&url));
        stop.cancel();
        first.unwrap();
        second.unwrap();
    };
    let write = "INSERT INTO messages (id, organization_id, type, recipient, sender, body, status, created_at) \
        VALUES ($1, 'acme', 'SMS', '+821012345678', '15881234', '옛 글', 'SENT', $2)";
    let serving = write_and_read(pool, write, "SELECT body FROM messages WHERE id = $1", stop.clone());
    let ((written, longest), ()) = tokio::join!(serving, migrating);
    assert!(written > 0 && longest < Duration::from_secs(3), "{written} rows, the longest wait {longest:?}");
    let indexed = [
        "pg_inherits WHERE inhparent = 'messages_by_day'::regclass",
        "pg_inherits WHERE inhparent = 'messages_by_time'::regclass",
    ];
    for index in indexed {
        assert_eq!(engine.rows(index).await, engine.rows("history_partitions('messages')").await, "{index}");
    }
    assert_eq!(engine.rows("pg_index WHERE NOT indisvalid").await, 0);
    for old in ["pg_class WHERE relname LIKE '%by_recipient%'", "pg_class WHERE relname LIKE '%by_organization%'"] {
        assert_eq!(engine.rows(old).await, 0, "{old}");
    }
    // Months that are made later have them from the beginning.
    engine.run("SELECT history_make_room('messages', now() + interval '9 months')").await;
    for index in indexed {
        assert_eq!(engine.rows(index).await, engine.rows("history_partitions('messages')").await, "{index}");
    }
    let to = Some("+821012345678".to_owned());
    let query = ListQuery { organization_id: "acme".to_owned(), to, limit: 10_000, ..ListQuery::default() };
    let listed = engine.store().await.list(&query).await.unwrap();
    assert_eq!(listed.len(), usize::try_from(written).unwrap());
}

#[tokio::test]
async fn a_migration_gives_way_to_a_long_transaction_and_goes_on_after_it() {
    let engine = legacy(10).await;
    let pool = engine.raw().await;
    let mut long = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE message_history IN ACCESS SHARE MODE").execute(&mut *long).await.unwrap();
    let url = engine.url();
    let (migrated, waited) = tokio::join!(PostgresStore::migrate(&url), async {
        // Reading and writing goes on while the migration tries and the long transaction lasts.
        let mut longest = Duration::ZERO;
        for number in 0..30 {
            let began = Instant::now();
            sqlx::query(WRITE).bind(format!("live-{number}")).bind(SystemClock.now()).execute(&pool).await.unwrap();
            longest = longest.max(began.elapsed());
        }
        long.rollback().await.unwrap();
        longest
    });
    assert!(waited < Duration::from_secs(3), "{waited:?}");
    migrated.unwrap();
    assert!(engine.open().await.message("live-29").await.unwrap().is_some());
}

#[tokio::test]
async fn migrating_again_applies_nothing_twice() {
    let engine = Postgres::create().await;
    PostgresStore::migrate(&engine.url()).await.unwrap();
    let applied = engine.rows("_sqlx_migrations").await;
    PostgresStore::migrate(&engine.url()).await.unwrap();
    assert_eq!(engine.rows("_sqlx_migrations").await, applied);
}

#[tokio::test]
async fn a_migration_that_was_edited_after_it_was_applied_is_refused_by_who_migrates_and_by_who_serves() {
    let engine = Postgres::create().await;
    drop(engine.open().await);
    engine.run("UPDATE _sqlx_migrations SET checksum = '' WHERE version = 3").await;
    let url = engine.url();
    for refused in [PostgresStore::migrate(&url).await.err(), engine.store_as(&url).await.err()] {
        let refused = refused.unwrap();
        assert!(matches!(refused, StoreError::Edited(3)), "{refused}");
        assert!(refused.to_string().contains("restore the file"), "{refused}");
    }
}

#[tokio::test]
async fn who_serves_and_may_change_the_schema_brings_it_up_to_date_several_at_once() {
    let engine = Postgres::create().await;
    let url = engine.url();
    let (first, second) = tokio::join!(engine.store_as(&url), engine.store_as(&url));
    for (store, id) in [(first, "m1"), (second, "m2")] {
        commit(&store.unwrap(), record(message(id))).await;
    }
}

#[tokio::test]
async fn who_serves_and_may_not_change_the_schema_says_what_must_be_done() {
    let engine = Postgres::create().await;
    let url = engine.url_of_who_serves().await;
    let refused = engine.store_as(&url).await.err().unwrap();
    assert!(matches!(refused, StoreError::Outdated), "an empty database: {refused}");
    assert!(refused.to_string().contains("run `switchboard migrate`"), "{refused}");

    PostgresStore::migrate(&engine.url()).await.unwrap();
    let refused = engine.store_as(&url).await.err().unwrap();
    assert!(matches!(refused, StoreError::Outdated), "nothing is granted yet: {refused}");
    engine.grant().await;
    commit(&engine.store_as(&url).await.unwrap(), record(message("m1"))).await;

    engine.run("DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let applied = engine.rows("_sqlx_migrations").await;
    let refused = engine.store_as(&url).await.err().unwrap();
    assert!(matches!(refused, StoreError::Outdated), "of a version before: {refused}");
    assert_eq!(engine.rows("_sqlx_migrations").await, applied, "nothing was changed");
}

#[tokio::test]
async fn the_schema_of_a_later_version_is_worked_on_by_this_one() {
    let engine = Postgres::create().await;
    drop(engine.open().await);
    engine
        .run(
            "INSERT INTO _sqlx_migrations SELECT 9999, 'later', installed_on, success, checksum, execution_time \
             FROM _sqlx_migrations WHERE version = 1; ALTER TABLE messages ADD COLUMN later text NOT NULL DEFAULT ''",
        )
        .await;
    let store = engine.store().await;
    commit(&store, record(message("m1"))).await;
    assert!(store.message("m1").await.unwrap().is_some());
    assert_eq!(engine.rows("_sqlx_migrations WHERE version = 9999").await, 1);
}
