//! The schema's history on SQLite: forward only, and the rows of the system before this one stay readable.

use std::{borrow::Cow, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use sqlx::{
    SqlStr,
    migrate::{Migration, MigrationType, Migrator},
};
use switchboard_dispatcher::{
    message::{Content, Status},
    outbound::Outgoing,
    store::{ListQuery, Store as _, StoreError, sqlite::SqliteStore},
};
use switchboard_providers::model::Channel;

use super::{
    build::{at, commit, message, record},
    harness::{Engine as _, RECONCILE_AFTER, Sqlite},
};

const LEGACY: &str = include_str!("../../../../migrations/dispatcher/sqlite/0001_legacy_history.sql");

/// A database as the system before this one leaves it.
async fn legacy() -> Sqlite {
    let engine = Sqlite::create().await;
    let pool = engine.raw().await;
    let name = Cow::Borrowed("0001_legacy_history");
    let first = Migration::new(1, name, MigrationType::Simple, SqlStr::from_static(LEGACY), false);
    Migrator::with_migrations(vec![first]).run(&pool).await.unwrap();
    let rows = [
        ("old-1", "SMS", "REQUESTED", 1),
        ("old-2", "LMS", "SENT", 2),
        ("old-3", "MMS", "DELIVERED", 3),
        ("old-4", "ALIMTALK", "FAILED", 4),
    ];
    for (id, kind, status, seconds) in rows {
        sqlx::query(
            "INSERT INTO message_history VALUES (?1, 'acme', ?2, '+821012345678', '15881234', '옛 글', ?3, ?4)",
        )
        .bind(id)
        .bind(kind)
        .bind(status)
        .bind(at(seconds).timestamp_micros())
        .execute(&pool)
        .await
        .unwrap();
    }
    pool.close().await;
    engine
}

#[tokio::test]
async fn rows_of_the_history_before_this_one_are_read_and_listed() {
    let engine = legacy().await;
    let store = SqliteStore::open(&engine.path(), RECONCILE_AFTER).await.unwrap();
    let query = ListQuery { organization_id: "acme".to_owned(), limit: 10, ..ListQuery::default() };
    let listed = store.list(&query).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids, ["old-4", "old-3", "old-2", "old-1"]);
    let expected = [
        ("old-1", Channel::Sms, Status::Requested),
        ("old-2", Channel::Lms, Status::Sent),
        ("old-3", Channel::Mms, Status::Delivered),
        ("old-4", Channel::Alimtalk, Status::Failed),
    ];
    for ((id, channel, status), seconds) in expected.into_iter().zip(1..) {
        let message = store.message(id).await.unwrap().unwrap();
        assert_eq!((message.channel, message.state.status()), (channel, status), "{id}");
        assert_eq!((message.to.as_str(), message.sender.as_str()), ("+821012345678", "15881234"));
        assert_eq!((message.content.body(), message.create_time), ("옛 글", at(seconds)));
        assert_eq!(message.route.provider, "cloudmsg", "the only vendor there was");
    }
}

#[tokio::test]
async fn rows_of_the_history_before_this_one_are_never_sent_again() {
    let engine = legacy().await;
    let store = SqliteStore::open(&engine.path(), RECONCILE_AFTER).await.unwrap();
    assert!(store.claim_due(at(1_000_000_000), 100).await.unwrap().is_empty(), "nobody looks after them");
    let message = store.message("old-1").await.unwrap().unwrap();
    assert!(matches!(message.content, Content::Archived { .. }));
    assert!(Outgoing::try_from(&message).is_err());
}

#[tokio::test]
async fn new_messages_stand_beside_the_old_ones() {
    let engine = legacy().await;
    let store = SqliteStore::open(&engine.path(), RECONCILE_AFTER).await.unwrap();
    commit(&store, record(message("new"))).await;
    let query = ListQuery { organization_id: "acme".to_owned(), limit: 10, ..ListQuery::default() };
    assert_eq!(store.list(&query).await.unwrap().len(), 5);
}

#[tokio::test]
async fn opening_again_applies_nothing_twice() {
    let engine = Sqlite::create().await;
    drop(engine.open().await);
    let applied = engine.rows("_sqlx_migrations").await;
    drop(engine.open().await);
    assert_eq!(engine.rows("_sqlx_migrations").await, applied);
}

#[tokio::test]
async fn a_migration_that_was_edited_after_it_was_applied_is_refused() {
    let engine = Sqlite::create().await;
    drop(engine.open().await);
    let edit = "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1";
    sqlx::query(edit).execute(&engine.raw().await).await.unwrap();
    let refused = SqliteStore::open(&engine.path(), RECONCILE_AFTER).await;
    assert!(matches!(refused, Err(StoreError::Edited(1))));
}

#[tokio::test]
async fn several_may_bring_a_file_up_to_date_at_once() {
    let engine = Sqlite::create().await;
    let path = engine.path();
    let opening = || SqliteStore::open(&path, RECONCILE_AFTER);
    let (one, two, three) = tokio::join!(opening(), opening(), opening());
    for (store, id) in [(one, "m1"), (two, "m2"), (three, "m3")] {
        commit(&store.unwrap(), record(message(id))).await;
    }
}

#[tokio::test]
async fn a_new_file_that_another_writes_to_is_waited_for() {
    let engine = Sqlite::create().await;
    let path = engine.path();
    let other = engine.raw().await.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut opening = std::pin::pin!(SqliteStore::open(&path, RECONCILE_AFTER));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut opening).await;
    assert!(early.is_err(), "it was opened, or not, while another wrote");
    other.commit().await.unwrap();
    commit(&opening.await.unwrap(), record(message("m1"))).await;
}

#[tokio::test]
async fn a_new_file_is_for_its_owner_alone_and_one_that_cannot_be_made_is_named() {
    let engine = Sqlite::create().await;
    let store = SqliteStore::open(&engine.path(), RECONCILE_AFTER).await.unwrap();
    commit(&store, record(message("m1"))).await;
    for companion in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{companion}", engine.path().display()));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    let below = engine.path().join("below.db");
    let refused = SqliteStore::open(&below, RECONCILE_AFTER).await.err().unwrap().to_string();
    assert!(refused.contains(&format!("cannot write {}", below.display())), "{refused}");
}

#[tokio::test]
async fn the_schema_of_a_later_version_is_worked_on_by_this_one() {
    let engine = Sqlite::create().await;
    drop(engine.open().await);
    let later = "INSERT INTO _sqlx_migrations SELECT 9999, 'later', installed_on, success, checksum, execution_time \
                 FROM _sqlx_migrations WHERE version = 1";
    sqlx::query(later).execute(&engine.raw().await).await.unwrap();
    let store = SqliteStore::open(&engine.path(), RECONCILE_AFTER).await.unwrap();
    commit(&store, record(message("m1"))).await;
    assert!(store.message("m1").await.unwrap().is_some());
}
