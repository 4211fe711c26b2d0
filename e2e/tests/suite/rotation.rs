//! `keys rotate` as a process, killed between its first batch and its second while config-service runs.

use std::{
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use switchboard_vendor_sim::demo::{CLOUDMSG_DEFAULT, SENDTALK_HANBIT};

use crate::{
    installation::{Installation, field},
    program::{PATIENCE, Running},
};

/// Records that a rotation wraps in one transaction.
const BATCH: i64 = 200;
/// With two vendors each, they have one batch of records and a little more.
const ORGANISATIONS: usize = 101;
/// How many command lines run at once.
const HANDS: usize = 4;

fn organisation(number: usize) -> String {
    format!("org-{number:03}")
}

/// Does something for many organisations at once.
fn for_each(numbers: &[usize], work: impl Fn(usize) + Sync) {
    let share = numbers.len().div_ceil(HANDS);
    thread::scope(|scope| {
        for some in numbers.chunks(share) {
            scope.spawn(|| some.iter().copied().for_each(&work));
        }
    });
}

fn everybody() -> Vec<usize> {
    (0..ORGANISATIONS).collect()
}

fn fill(installation: &Installation) {
    let (cloudmsg, sendtalk) = (CLOUDMSG_DEFAULT, SENDTALK_HANBIT);
    let fields_of_cloudmsg = [
        ("service_id", cloudmsg.service_id),
        ("access_key", cloudmsg.access_key),
        ("secret_key", cloudmsg.secret_key),
        ("callback_secret", cloudmsg.callback_secret),
        ("default_sender", cloudmsg.default_sender),
    ];
    let fields_of_sendtalk = [
        ("account_id", sendtalk.account_id),
        ("api_key", sendtalk.api_key),
        ("webhook_secret", sendtalk.webhook_secret),
        ("sender_profile_key", sendtalk.sender_profile_key),
        ("default_sender", sendtalk.default_sender),
    ];
    installation.until_done(&["org", "list"]);
    for_each(&everybody(), |number| {
        let id = organisation(number);
        let made = installation.typed(&["org", "create", &id, "--name", "Some", "--wait-applied", "0s"]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        for (vendor, fields) in [("cloudmsg", fields_of_cloudmsg), ("sendtalk", fields_of_sendtalk)] {
            let mut typed = vec!["provider", "set", &id, vendor, "--skip-connection-test", "--wait-applied", "0s"];
            let fields = fields.map(|(key, value)| field(key, value));
            typed.extend(fields.iter().flat_map(|field| ["--field", field]));
            let saved = installation.typed(&typed);
            assert_eq!(saved.code, Some(0), "{}", saved.stderr);
        }
    });
}

/// The vendors take what is stored, so it opens.
fn all_open(installation: &Installation, numbers: &[usize]) {
    for_each(numbers, |number| {
        for vendor in ["cloudmsg", "sendtalk"] {
            let tested = installation.typed(&["test-connection", &organisation(number), vendor]);
            assert_eq!(tested.code, Some(0), "{} {vendor}: {}", organisation(number), tested.stderr);
        }
    });
}

fn rotating(installation: &Installation) -> Child {
    installation.command(&["keys", "rotate"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// SIGKILL: it gets no chance to tidy up.
fn kill(mut rotation: Child) {
    rotation.kill().unwrap();
    let status = rotation.wait().unwrap();
    assert_eq!(status.code(), None, "it was killed, and had not ended by itself: {status}");
}

const OLDEST: &str = "SELECT count(*) FROM provider_configs WHERE key_version < (SELECT key_floor FROM meta)";
const ALL: &str = "SELECT count(*) FROM provider_configs";

/// Finishes the rotation, and shows that every record opens with what is left of the ring.
fn finish(installation: &Installation, config_service: Running) {
    // The service runs on with a ring in memory that is out of date, over records under both keys.
    all_open(installation, &[0, 1, 50, 98, 99, 100]);
    let finished = installation.typed(&["keys", "rotate"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("finishing one that was interrupted"), "{}", finished.stdout);
    let ring = std::fs::read(installation.path().join("keys.json")).unwrap();
    let ring: serde_json::Value = serde_json::from_slice(&ring).unwrap();
    let keys = ring["keys"].as_array().unwrap();
    let usable: Vec<_> = keys.iter().filter(|key| key.get("key").is_some()).map(|key| &key["version"]).collect();
    assert_eq!(usable, [&ring["current"]], "the older keys are retired, and their material is gone");
    assert_eq!(config_service.terminate(), Some(0));
    let config_service = installation.start("config-service");
    installation.until_done(&["org", "list"]);
    all_open(installation, &everybody());
    assert_eq!(config_service.terminate(), Some(0));
}

fn begin(installation: &Installation) -> (Running, Running) {
    assert_eq!(installation.typed(&["keys", "generate"]).code, Some(0));
    assert_eq!(installation.typed(&["migrate"]).code, Some(0));
    let vendors = installation.start("vendor-sim");
    let config_service = installation.start("config-service");
    fill(installation);
    (vendors, config_service)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_over_sqlite_that_is_killed_half_way_goes_on() {
    let installation = Installation::new();
    let (_vendors, config_service) = begin(&installation);
    let file = installation.path().join("config.db");
    let mut store = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    store.execute("PRAGMA busy_timeout = 0").await.unwrap();
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < PATIENCE, "a rotation could not be caught between two batches");
        let mut rotation = rotating(&installation);
        let total: i64 = sqlx::query_scalar(ALL).fetch_one(&mut store).await.unwrap();
        // Caught by the lock that its next batch needs; where it was quicker, there is the next rotation.
        let caught = loop {
            let old: i64 = sqlx::query_scalar(OLDEST).fetch_one(&mut store).await.unwrap();
            if old == total - BATCH && store.execute("BEGIN IMMEDIATE").await.is_ok() {
                let old: i64 = sqlx::query_scalar(OLDEST).fetch_one(&mut store).await.unwrap();
                if old == total - BATCH {
                    break true;
                }
                store.execute("ROLLBACK").await.unwrap();
            }
            if rotation.try_wait().unwrap().is_some() {
                break false;
            }
        };
        if caught {
            kill(rotation);
            store.execute("ROLLBACK").await.unwrap();
            break;
        }
    }
    store.close().await.unwrap();
    finish(&installation, config_service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_over_postgresql_that_is_killed_half_way_goes_on() {
    const SERVER: &str = "SWITCHBOARD_TEST_POSTGRES_URL";
    let server = std::env::var(SERVER)
        .unwrap_or_else(|_| panic!("{SERVER} is not set: run `make test`, which starts PostgreSQL and Redis"));
    let mut operator = PgConnection::connect(&server).await.unwrap();
    let name = format!("rotation_{}", std::process::id());
    operator.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    let mut installation = Installation::new();
    installation.set("CONFIG_SERVICE__DATABASE_URL", url.as_str());
    let (_vendors, config_service) = begin(&installation);

    let mut holder = PgConnection::connect(&url).await.unwrap();
    let mut store = PgConnection::connect(&url).await.unwrap();
    holder.execute("BEGIN").await.unwrap();
    // A record of the second batch: the rotation waits for it.
    let held = format!(
        "SELECT 1 FROM provider_configs WHERE (organization_id, provider) =
             (SELECT organization_id, provider FROM provider_configs ORDER BY organization_id, provider
              OFFSET {BATCH} LIMIT 1)
         FOR UPDATE"
    );
    holder.execute(AssertSqlSafe(held)).await.unwrap();
    let total: i64 = sqlx::query_scalar(ALL).fetch_one(&mut store).await.unwrap();
    let rotation = rotating(&installation);
    let began = Instant::now();
    loop {
        let old: i64 = sqlx::query_scalar(OLDEST).fetch_one(&mut store).await.unwrap();
        if old == total - BATCH {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "the first batch is never wrapped anew: {old} of {total} are left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kill(rotation);
    holder.execute("ROLLBACK").await.unwrap();
    finish(&installation, config_service);
    let old: i64 = sqlx::query_scalar(OLDEST).fetch_one(&mut store).await.unwrap();
    assert_eq!(old, 0);
    operator.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
}
