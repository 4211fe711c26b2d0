//! What stops a start: one clear sentence with the remedy, before a port opens.

use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use chrono::DateTime;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use switchboard_config_service::{
    Config, migrate, rotate_keys,
    sealing::KeyRing,
    store::{self, Target},
};
use switchboard_proto::config::v1::{CreateOrganizationRequest, ListOrganizationsRequest, UpdateProviderConfigRequest};
use switchboard_runtime::Lifecycle;

use crate::{
    api::{steps, subscriber::Subscriber},
    store::harness::Database,
    support::{self, Service, config, eventually, folder, pairs, process, refusal, registry},
};

/// Tries to start in a folder and says what the operator reads.
async fn refused(config: Config, folder: &Path) -> String {
    let lifecycle = Lifecycle::with_grace(Duration::from_secs(1));
    let registry = registry("http://127.0.0.1:9", "http://127.0.0.1:9");
    let error = switchboard_config_service::start(config, registry, &process(folder, &lifecycle)).await.unwrap_err();
    lifecycle.shutdown().await.unwrap();
    format!("{error:#}")
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_ring_or_with_an_exposed_one_nothing_starts() {
    let folder = folder();
    let keys = folder.path().join("keys.json");
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o644)).unwrap();
    let why = refused(config(), folder.path()).await;
    assert!(why.contains("open to others") && why.contains("chmod 600"), "{why}");
    std::fs::remove_file(&keys).unwrap();
    let why = refused(config(), folder.path()).await;
    assert!(why.contains("no key ring at") && why.contains("switchboard keys generate"), "{why}");
    assert!(!folder.path().join("config.db").exists(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_webhook_secret_that_would_outlive_the_year_is_refused() {
    let overlap = Duration::from_secs(366 * 24 * 60 * 60);
    let why = refused(Config { webhook_secret_overlap: overlap, ..config() }, folder().path()).await;
    assert!(why.contains("config_service.webhook_secret_overlap") && why.contains("365d or less"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ring_of_another_store_is_refused() {
    let folder = folder();
    let keys = folder.path().join("keys.json");
    Service::start_with(config(), folder.clone()).await.stop().await;
    std::fs::remove_file(&keys).unwrap();
    KeyRing::generate(&keys, DateTime::UNIX_EPOCH).unwrap();
    let why = refused(config(), folder.path()).await;
    assert!(why.contains("belongs to another store"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_ring_file_of_before_a_rotation_is_refused() {
    let folder = folder();
    let keys = folder.path().join("keys.json");
    let before = std::fs::read(&keys).unwrap();
    let service = Service::start_with(config(), folder.clone()).await;
    steps::acme_with_cloudmsg(&service).await;
    service.stop().await;
    let lifecycle = Lifecycle::new();
    let rotation = rotate_keys(&config(), &process(folder.path(), &lifecycle), "somebody").await.unwrap();
    assert_eq!((rotation.current, rotation.rewrapped), (2, 1));
    std::fs::write(&keys, before).unwrap();
    let why = refused(config(), folder.path()).await;
    assert!(why.contains("has no key 2"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_before_a_rotation_is_refused_and_its_retired_key_is_named() {
    let folder = folder();
    let service = Service::start_with(config(), folder.clone()).await;
    steps::acme_with_cloudmsg(&service).await;
    service.stop().await;
    // Restored elsewhere: who had the store open may still be about to close it, and to tidy up beside it.
    let elsewhere = support::folder();
    let store = format!("sqlite://{}", folder.path().join("config.db").display());
    let mut connection = SqliteConnection::connect(&store).await.unwrap();
    let backup = format!("VACUUM INTO '{}'", elsewhere.path().join("config.db").display());
    sqlx::raw_sql(AssertSqlSafe(backup)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let lifecycle = Lifecycle::new();
    rotate_keys(&config(), &process(folder.path(), &lifecycle), "somebody").await.unwrap();
    std::fs::copy(folder.path().join("keys.json"), elsewhere.path().join("keys.json")).unwrap();
    let why = refused(config(), elsewhere.path()).await;
    for word in ["config_service.key_file", "key 1 was retired at", "restore that file together with the backup"] {
        assert!(why.contains(word), "{word}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_goes_on_over_a_rotation() {
    let folder = folder();
    let service = Service::start_with(config(), folder.clone()).await;
    steps::acme_with_cloudmsg(&service).await;
    let lifecycle = Lifecycle::new();
    rotate_keys(&config(), &process(folder.path(), &lifecycle), "somebody").await.unwrap();
    // It still has the old ring in memory: it must neither fail nor seal under the retired key.
    let update = UpdateProviderConfigRequest {
        organization_id: "acme".to_owned(),
        provider: "cloudmsg".to_owned(),
        credentials: pairs([("callback_secret", "the-next-secret")]),
        version: 1,
        ..Default::default()
    };
    service.admin("operator").update_provider_config(update).await.unwrap();
    let snapshot = Subscriber::dispatcher(&service, "d1").await.snapshot().await;
    assert_eq!(snapshot.entries["acme"].accounts.len(), 1);
    service.stop().await;
    let service = Service::start_with(config(), folder).await;
    let snapshot = Subscriber::gateway(&service, "g1").await.snapshot().await;
    assert_eq!(snapshot.entries["acme"].accounts[0].webhook_secrets.len(), 2);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_storage_is_for_its_owner_alone() {
    let folder = folder();
    let service = Service::start_with(config(), folder.clone()).await;
    steps::organization(&service, "acme", "Acme").await;
    for name in ["config.db", "config.db-wal", "config.db-shm"] {
        let mode = folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_address_that_is_none_or_leads_nowhere_is_named() {
    let folder = folder();
    let with = |url: &str| Config { database_url: Some(url.to_owned()), ..config() };
    let why = refused(with("mysql://sb:geheim@localhost/config"), folder.path()).await;
    assert!(why.contains("config_service.database_url") && why.contains("postgres://"), "{why}");
    std::fs::write(folder.path().join("not-a-database"), "hello, this is no database at all").unwrap();
    let file = format!("sqlite://{}/not-a-database", folder.path().display());
    let why = refused(with(&file), folder.path()).await;
    assert!(why.contains("not-a-database") && why.contains("not a database"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_that_cannot_be_made_is_named_with_its_setting() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "no folder").unwrap();
    let below = format!("sqlite://{}/file/below/config.db", folder.path().display());
    let why = refused(Config { database_url: Some(below), ..config() }, folder.path()).await;
    for word in ["config_service.database_url", "file/below/config.db", "may write"] {
        assert!(why.contains(word), "{word}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_that_another_writes_to_is_waited_for() {
    let folder = folder();
    let file = format!("sqlite://{}?mode=rwc", folder.path().join("config.db").display());
    let mut other = SqliteConnection::connect(&file).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let target = Target::parse(None, folder.path()).unwrap();
    let mut opening = std::pin::pin!(store::migrate(&target));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut opening).await;
    assert!(early.is_err(), "it was opened, or not, while another wrote");
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    opening.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_waited_for_and_its_password_is_not_shown() {
    let nowhere = Config { database_url: Some("postgres://sb:geheim@127.0.0.1:9/config".to_owned()), ..config() };
    let service = Service::start_with(nowhere, folder()).await;
    let said = service.readiness().await;
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("waits for the configuration store"), "{said}");
    assert!(said.contains("postgres://sb@127.0.0.1:9/config") && !said.contains("geheim"), "{said}");
    let request = ListOrganizationsRequest::default();
    let refused = service.admin("viewer").list_organizations(request.clone()).await.unwrap_err();
    assert_eq!(refusal(&refused), (tonic::Code::Unavailable, "CONFIG_UNAVAILABLE".to_owned()));
    let refused = service.admin("nobody").list_organizations(request).await.unwrap_err();
    assert_eq!(refusal(&refused), (tonic::Code::Unauthenticated, "TOKEN_INVALID".to_owned()), "who calls comes first");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up_half_way_is_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://sb@{}/config", listener.local_addr().unwrap());
    let lifecycle = Lifecycle::new();
    drop(lifecycle.spawn_detached("hangs up", async move {
        while let Ok((mut client, _)) = listener.accept().await {
            // Half of an answer, as when a balancer's server is killed.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut client, b"\0").await;
        }
    }));
    let service = Service::start_with(Config { database_url: Some(url), ..config() }, folder()).await;
    let said = service.readiness().await;
    assert!(said.contains("waits for the configuration store"), "{said}");
    service.stop().await;
    lifecycle.stop_now();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_serves_and_may_change_the_schema_brings_it_up_to_date() {
    let (folder, database) = (folder(), Database::create().await);
    let config = || Config { database_url: Some(database.url.clone()), ..config() };
    let (one, other) =
        tokio::join!(Service::start_with(config(), folder.clone()), Service::start_with(config(), folder.clone()));
    let request = CreateOrganizationRequest { name: "Acme".to_owned(), ..Default::default() };
    one.admin("superadmin").create_organization(request).await.unwrap();
    one.stop().await;
    other.stop().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_serves_and_may_not_change_the_schema_waits_until_it_is_migrated_and_granted() {
    let (folder, database) = (folder(), Database::create().await);
    let serving = Config { database_url: Some(database.url_of_who_serves().await), ..config() };
    let service = Service::start_with(serving, folder.clone()).await;
    let said = service.readiness().await;
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("run `switchboard migrate`"), "{said}");
    let owner = Config { database_url: Some(database.url.clone()), ..config() };
    migrate(&owner, folder.path()).await.unwrap();
    database.grant().await;
    eventually("the service is ready", async || service.readiness().await.starts_with("HTTP/1.1 200").then_some(()))
        .await;
    let request = CreateOrganizationRequest { name: "Acme".to_owned(), ..Default::default() };
    service.admin("superadmin").create_organization(request).await.unwrap();
    service.stop().await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_the_server_does_not_know_is_refused_by_the_setting_s_place() {
    let database = Database::create().await;
    let (_, place) = database.url.split_once('@').unwrap();
    let url = format!("postgres://nobody-of-that-name:geheim@{place}");
    let why = refused(Config { database_url: Some(url), ..config() }, folder().path()).await;
    assert!(why.contains("nobody-of-that-name") && !why.contains("geheim"), "{why}");
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_address_that_is_none_is_named_without_its_password() {
    let folder = folder();
    let lifecycle = Lifecycle::with_grace(Duration::from_secs(1));
    let mut process = process(folder.path(), &lifecycle);
    process.redis_url = Some("http://:geheim@localhost".to_owned());
    let registry = registry("http://127.0.0.1:9", "http://127.0.0.1:9");
    let error = switchboard_config_service::start(config(), registry, &process).await.unwrap_err().to_string();
    assert!(error.contains("redis_url") && !error.contains("geheim"), "{error}");
    lifecycle.shutdown().await.unwrap();
}
