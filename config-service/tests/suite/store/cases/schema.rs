use futures::future::join_all;
use switchboard_config_service::store;

use crate::store::harness::Engine;

pub async fn migrating_twice_and_concurrently_is_harmless(engine: &Engine) {
    let before = engine.store.audit_head().await.unwrap();
    let target = engine.target();
    for migrated in join_all((0..4).map(|_| store::migrate(&target))).await {
        migrated.unwrap();
    }
    assert_eq!(engine.replica().await.audit_head().await.unwrap(), before);
}

pub async fn an_edited_migration_is_refused(engine: &Engine) {
    engine.raw("UPDATE _sqlx_migrations SET checksum = description").await.ok();
    engine.raw("UPDATE _sqlx_migrations SET checksum = CAST(description AS BYTEA)").await.ok();
    let refused = store::migrate(&engine.target()).await.unwrap_err().to_string();
    assert!(refused.contains("modified"), "{refused}");
}
