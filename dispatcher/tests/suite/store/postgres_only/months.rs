//! Months are kept apart: room is made ahead, and an old one goes as a whole.

use chrono::{DateTime, Months, TimeDelta, Utc};
use switchboard_dispatcher::{
    message::{Message, Settlement, Status},
    store::{Forgotten, NewMessage, Presumed, Store, Terms, Update, postgres::PostgresStore},
};
use switchboard_runtime::{Clock as _, Ids, SystemClock};

use crate::store::{
    build::{KEEP, accepted, commit, message, mms, record, stored},
    harness::{Engine as _, RECONCILE_AFTER},
    server::Postgres,
};

fn made_at(time: DateTime<Utc>) -> Message {
    Message { create_time: time, ..message(&Ids::new().next(time)) }
}

/// A day into the month after next: this month and the next have ended.
fn month_after_next(now: DateTime<Utc>) -> DateTime<Utc> {
    let day = (now + Months::new(2)).format("%Y-%m-02T00:00:00Z").to_string();
    DateTime::parse_from_rfc3339(&day).unwrap().to_utc()
}

/// In which table a message is.
async fn place(engine: &Postgres, id: &str) -> String {
    let sql = "SELECT tableoid::regclass::text FROM messages WHERE id = $1";
    sqlx::query_scalar(sql).bind(id).fetch_one(&engine.raw().await).await.unwrap()
}

#[tokio::test]
async fn a_message_of_this_month_and_of_the_next_has_its_partition() {
    let engine = Postgres::create().await;
    let store = engine.open().await;
    for months in 0..=3 {
        let time = SystemClock.now() + Months::new(months);
        let message = made_at(time);
        let id = message.id.clone();
        commit(&*store, record(message)).await;
        assert_eq!(place(&engine, &id).await, time.format("messages_%Y_%m").to_string());
    }
}

#[tokio::test]
async fn a_message_whose_month_has_no_partition_is_kept_and_moved_when_it_has_one() {
    let engine = Postgres::create().await;
    let store = engine.open().await;
    let time = SystemClock.now() + Months::new(10);
    let message = made_at(time);
    let id = message.id.clone();
    commit(&*store, record(message)).await;
    commit(&*store, accepted(&id, "v1", 0)).await;
    assert_eq!(place(&engine, &id).await, "messages_default");
    let before = stored(&*store, &id).await;
    store.tidy(time, &KEEP, 100).await.unwrap();
    assert_eq!(place(&engine, &id).await, time.format("messages_%Y_%m").to_string());
    assert_eq!(stored(&*store, &id).await.events, before.events);
    assert_eq!(engine.rows("provider_message_ids_default").await, 0, "what vendors call it moves along");
}

#[tokio::test]
async fn a_month_that_nobody_may_keep_is_dropped_as_a_whole() {
    let engine = Postgres::create().await;
    let store = engine.open().await;
    let now = SystemClock.now();
    let (old, new) = (made_at(now), made_at(now + Months::new(2)));
    let (old_id, new_id) = (old.id.clone(), new.id.clone());
    store.commit(vec![record(old), record(new)]).await.unwrap();
    store.commit(vec![accepted(&old_id, "v1", 0), accepted(&new_id, "v2", 0)]).await.unwrap();
    let messages = month_after_next(now);
    let held = engine.raw().await;
    let mut reader = held.begin().await.unwrap();
    sqlx::query("SELECT count(*) FROM messages").execute(&mut *reader).await.unwrap();
    assert_eq!(store.tidy(messages, &Terms { messages, ..KEEP }, 100).await.unwrap().months, 0, "somebody is reading");
    reader.rollback().await.unwrap();
    let forgotten = store.tidy(messages, &Terms { messages, ..KEEP }, 100).await.unwrap();
    // The history of old, which is empty and ends with the last month, goes too.
    assert_eq!((forgotten.months, forgotten.messages), (3, 0));
    assert!(store.message(&old_id).await.unwrap().is_none());
    assert_eq!(stored(&*store, &new_id).await.create_time, now + Months::new(2));
    assert_eq!(engine.rows("provider_message_ids").await, 1);
    let again = store.tidy(messages, &Terms { messages, ..KEEP }, 100).await.unwrap();
    assert_eq!((again.months, again.messages), (0, 0), "and goes on without it");
}

#[tokio::test]
async fn a_month_that_cannot_be_dropped_keeps_nothing_else_from_being_forgotten() {
    let engine = Postgres::create().await;
    let store = engine.open().await;
    let now = SystemClock.now();
    commit(&*store, record(Message { request_id: "r1".to_owned(), ..made_at(now) })).await;
    let month = now.format("messages_%Y_%m");
    engine.run(format!("CREATE VIEW ours AS SELECT * FROM {month}")).await;
    let before = month_after_next(now);
    let terms = Terms { texts: before, messages: before, request_ids: before, ..KEEP };
    let forgotten = store.tidy(before, &terms, 100).await.unwrap();
    assert_eq!(forgotten, Forgotten { texts: 1, request_ids: 1, failed: 1, ..Forgotten::default() });
    engine.run("DROP VIEW ours").await;
    assert_eq!(store.tidy(before, &terms, 100).await.unwrap(), Forgotten { months: 3, ..Forgotten::default() });
}

#[tokio::test]
async fn images_that_have_not_gone_with_their_texts_go_with_their_month() {
    let engine = Postgres::create().await;
    let store = engine.open().await;
    let now = SystemClock.now();
    let mms_of = |time: DateTime<Utc>| Message { create_time: time, ..mms(&Ids::new().next(time)) };
    store.commit(vec![record(mms_of(now)), record(mms_of(now + Months::new(2)))]).await.unwrap();
    assert_eq!(engine.rows("message_images").await, 4);
    let messages = month_after_next(now);
    assert_eq!(store.tidy(messages, &Terms { messages, ..KEEP }, 100).await.unwrap().months, 3);
    assert_eq!(engine.rows("message_images JOIN messages ON id = message_id").await, 2);
    assert_eq!(engine.rows("message_images").await, 2);
}

#[tokio::test]
async fn months_are_left_alone_in_the_rounds_that_are_not_theirs() {
    let engine = Postgres::create().await;
    let store = engine.open().await;
    let now = SystemClock.now();
    let months = engine.rows("history_partitions('messages')").await;
    let messages = now + Months::new(10);
    let terms = Terms { messages, months: false, ..KEEP };
    assert_eq!(store.tidy(messages, &terms, 100).await.unwrap(), Forgotten::default());
    assert_eq!(engine.rows("history_partitions('messages')").await, months);
}

#[tokio::test]
async fn a_message_is_found_however_far_its_id_is_from_its_time() {
    let engine = Postgres::create().await;
    let store = engine.open().await;
    let time = SystemClock.now();
    let id = Ids::new().next(time + TimeDelta::hours(3));
    commit(&*store, record(Message { create_time: time, ..message(&id) })).await;
    assert_eq!(stored(&*store, &id).await.create_time, time);
    let fresh = engine.open().await;
    commit(&*fresh, accepted(&id, "v1", 1)).await;
    assert_eq!(stored(&*fresh, &id).await.events.len(), 2);
}

/// Records a message of this time and settles it, both without a look; what was left alone, and the message's id.
async fn presume(store: &dyn Store, time: DateTime<Utc>, name: &str) -> (Vec<String>, String) {
    let message = Message { request_id: name.to_owned(), ..made_at(time) };
    let id = message.id.clone();
    let mut new = NewMessage { message, fingerprint: [1; 32] };
    assert!(new.presume(RECONCILE_AFTER));
    let settlement = Settlement::Accepted { provider_message_id: name.to_owned(), accept_time: None };
    let update = Update::presume(&new.message, &settlement, time, RECONCILE_AFTER).unwrap();
    let mut left = store.presume(&Presumed { records: vec![new], settled: Vec::new() }).await.unwrap();
    left.extend(store.presume(&Presumed { records: Vec::new(), settled: vec![update] }).await.unwrap());
    (left, id)
}

#[tokio::test]
async fn what_is_of_one_month_is_written_to_its_tables_and_found_through_all() {
    let engine = Postgres::create().await;
    let url = engine.url_of_who_serves().await;
    PostgresStore::migrate(&engine.url()).await.unwrap();
    engine.grant().await;
    // The way through all months is closed, so that nothing can have gone there.
    engine.run_for_who_serves("REVOKE INSERT, UPDATE ON messages, provider_message_ids FROM").await;
    let store = engine.store_as(&url).await.unwrap();
    let time = SystemClock.now();
    let (left, id) = presume(&store, time, "v1").await;
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(place(&engine, &id).await, time.format("messages_%Y_%m").to_string());
    let message = stored(&store, &id).await;
    assert_eq!((message.state.status(), message.events.len()), (Status::Queued, 2));
    let named = "provider_message_ids WHERE provider_message_id = 'v1'";
    assert_eq!((engine.rows(named).await, engine.rows("open_messages").await), (1, 1));
}

#[tokio::test]
async fn a_month_made_later_may_be_written_to_by_whoever_may_write_to_all() {
    let engine = Postgres::create().await;
    let url = engine.url_of_who_serves().await;
    PostgresStore::migrate(&engine.url()).await.unwrap();
    engine.grant().await;
    let time = SystemClock.now() + Months::new(10);
    engine.run("SELECT history_make_room(parent, now() + interval '10 months') FROM unnest(ARRAY ['messages', 'provider_message_ids']) AS parent").await;
    engine.run_for_who_serves("REVOKE INSERT, UPDATE ON messages, provider_message_ids FROM").await;
    let store = engine.store_as(&url).await.unwrap();
    let (left, id) = presume(&store, time, "v1").await;
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(place(&engine, &id).await, time.format("messages_%Y_%m").to_string());
}

#[tokio::test]
async fn only_messages_keep_room_in_their_pages_to_grow() {
    let engine = Postgres::create().await;
    PostgresStore::migrate(&engine.url()).await.unwrap();
    engine.run("SELECT history_make_room(parent, now() + interval '10 months') FROM unnest(ARRAY ['messages', 'provider_message_ids']) AS parent").await;
    let roomy = "pg_class WHERE relkind = 'r' AND reloptions = ARRAY ['fillfactor=40'] AND relname LIKE";
    let months = engine.rows("history_partitions('messages') WHERE name <> 'message_history'").await;
    for (table, expected) in [("messages\\_%", months), ("provider\\_message\\_ids\\_%", 0)] {
        let query: &'static str = format!("{roomy} '{table}'").leak();
        assert_eq!(engine.rows(query).await, expected, "{table}");
    }
}

#[tokio::test]
async fn a_month_that_may_not_be_written_to_by_its_name_is_written_to_through_all() {
    let engine = Postgres::create().await;
    let url = engine.url_of_who_serves().await;
    PostgresStore::migrate(&engine.url()).await.unwrap();
    engine.grant().await;
    let time = SystemClock.now();
    let month = time.format("%Y_%m");
    let forbid = format!("REVOKE ALL ON messages_{month}, provider_message_ids_{month} FROM");
    let before = engine.store_as(&url).await.unwrap();
    assert_eq!(presume(&before, time, "v0").await.0, Vec::<String>::new());
    engine.run_for_who_serves(&forbid).await;
    // Who has learned of it by its name before is refused there, and goes the long way, as it would with any refusal.
    let (left, id) = presume(&before, time, "v1").await;
    assert_eq!(left, [id.clone(), id]);
    for (store, name) in [(before, "v2"), (engine.store_as(&url).await.unwrap(), "v3")] {
        let (left, id) = presume(&store, time, name).await;
        assert_eq!(left, Vec::<String>::new(), "{name}");
        assert_eq!(place(&engine, &id).await, format!("messages_{month}"), "{name}");
    }
}

#[tokio::test]
async fn a_batch_over_the_turn_of_a_month_is_written_whole() {
    let engine = Postgres::create().await;
    let store = engine.store().await;
    let times = [SystemClock.now(), SystemClock.now() + Months::new(1)];
    let mut records = times.map(|time| NewMessage { message: made_at(time), fingerprint: [1; 32] });
    assert!(records.iter_mut().all(|new| new.presume(RECONCILE_AFTER)));
    let ids = [&records[0], &records[1]].map(|new| new.message.id.clone());
    assert!(store.presume(&Presumed { records: records.into(), settled: Vec::new() }).await.unwrap().is_empty());
    for (id, time) in ids.iter().zip(times) {
        assert_eq!(place(&engine, id).await, time.format("messages_%Y_%m").to_string());
    }
}
