use futures::future::join_all;
use switchboard_config_service::store;

use crate::store::harness::{Engine, Kind};

pub async fn migrating_twice_and_concurrently_is_harmless(engine: &Engine) {
    let before = engine.store.audit_head().await.unwrap();
    let target = engine.target();
    for migrated in join_all((0..4).map(|_| store::migrate(&target))).await {
        migrated.unwrap();
    }
    assert_eq!(engine.replica().await.audit_head().await.unwrap(), before);
}

pub async fn an_empty_store_is_made_once_by_many_at_once(engine: &Engine) {
    let (target, database) = engine.empty().await;
    for migrated in join_all((0..4).map(|_| store::migrate(&target))).await {
        migrated.unwrap();
    }
    store::open(&target).await.unwrap();
    if let Some(database) = database {
        database.remove().await;
    }
}

pub async fn an_edited_migration_is_refused_by_who_migrates_and_by_who_serves(engine: &Engine) {
    let other = if engine.kind == Kind::Sqlite { "x'00'" } else { "'\\x00'" };
    engine.raw(&format!("UPDATE _sqlx_migrations SET checksum = {other}")).await.unwrap();
    let target = engine.target();
    for refused in [store::migrate(&target).await.err(), store::open(&target).await.err()] {
        let refused = refused.unwrap().to_string();
        assert!(
            refused.contains("migration 1") && refused.contains("edited") && refused.contains("restore"),
            "{refused}"
        );
    }
}

pub async fn the_schema_of_a_later_version_is_worked_on_by_this_one(engine: &Engine) {
    let later = "INSERT INTO _sqlx_migrations SELECT 9999, 'later', installed_on, success, checksum, execution_time \
                 FROM _sqlx_migrations WHERE version = 1";
    engine.raw(later).await.unwrap();
    store::migrate(&engine.target()).await.unwrap();
    let replica = engine.replica().await;
    engine.found(replica.as_ref(), "acme", "Acme").await.unwrap();
}
