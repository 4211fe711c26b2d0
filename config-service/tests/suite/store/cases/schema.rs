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

pub async fn an_edited_migration_is_refused(engine: &Engine) {
    let other = if engine.kind == Kind::Sqlite { "x'00'" } else { "'\\x00'" };
    engine.raw(&format!("UPDATE _sqlx_migrations SET checksum = {other}")).await.unwrap();
    let refused = store::migrate(&engine.target()).await.unwrap_err().to_string();
    assert!(refused.contains("modified"), "{refused}");
}
