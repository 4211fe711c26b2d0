//! An operator's and an auditor's command line against a running config-service.

use sqlx::{Connection as _, Executor as _, SqliteConnection};
use switchboard_vendor_sim::demo::CLOUDMSG_DEFAULT;

use crate::{
    installation::{Installation, field},
    program::Ended,
};

const FAILED: Option<i32> = Some(1);
const USAGE: Option<i32> = Some(2);

fn json(ended: &Ended) -> serde_json::Value {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

fn save(installation: &Installation) {
    let account = CLOUDMSG_DEFAULT;
    let mut typed = vec!["provider", "set", "acme", "cloudmsg", "--skip-connection-test", "--wait-applied", "0s"];
    let fields = [
        ("service_id", account.service_id),
        ("access_key", account.access_key),
        ("secret_key", account.secret_key),
        ("callback_secret", account.callback_secret),
    ]
    .map(|(key, value)| field(key, value));
    typed.extend(fields.iter().flat_map(|field| ["--field", field]));
    let saved = installation.typed(&typed);
    assert_eq!(saved.code, Some(0), "{}", saved.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_destroys_wants_the_name_and_the_trail_shows_who_did_it_and_who_touched_it() {
    let installation = Installation::new();
    let made = json(&installation.typed(&["keys", "generate", "--output", "json"]));
    assert_eq!(made["made"], true);
    let config_service = installation.start("config-service");
    installation.until_done(&["org", "list"]);
    installation.until_done(&["org", "create", "acme", "--name", "서울 의원", "--wait-applied", "0s"]);
    save(&installation);

    let delete = ["provider", "delete", "acme", "cloudmsg", "--wait-applied", "0s"];
    let with = |more: &[&str]| installation.typed(&[&delete, more].concat());
    let unasked = with(&[]);
    assert_eq!(unasked.code, USAGE, "nobody is there to type the name: {}", unasked.stderr);
    assert!(unasked.stderr.contains("type the name of acme"), "{}", unasked.stderr);
    let mistyped = with(&["--confirm", "부산 의원"]);
    assert_eq!(mistyped.code, FAILED);
    assert!(mistyped.stderr.contains("is not the name of the organisation"), "{}", mistyped.stderr);
    assert_eq!(with(&["--confirm", "서울 의원", "--yes"]).code, USAGE, "one or the other");
    assert_eq!(with(&["--confirm", "서울 의원"]).code, Some(0));
    save(&installation);
    let deleted = json(&with(&["--yes", "--output", "json"]));
    assert!(deleted["revision"].as_i64().unwrap() > 0);

    let rotated = json(&installation.typed(&["keys", "rotate", "--output", "json"]));
    assert_eq!((&rotated["current"], &rotated["resumed"]), (&2.into(), &false.into()));

    let list = ["audit", "list", "--output", "json", "--org", "acme", "--action", "DeleteProviderConfig"];
    let told = json(&installation.typed(&[&list[..], &["--since", "2020-01-01T00:00:00Z"]].concat()));
    let outcomes: Vec<_> =
        told["audit_events"].as_array().unwrap().iter().map(|event| event["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["OK", "OK", "CONFIRMATION_MISMATCH"]);
    let before = json(&installation.typed(&[&list[..], &["--until", "2020-01-01T00:00:00Z"]].concat()));
    assert_eq!(before["audit_events"], serde_json::json!([]));

    assert_eq!(installation.typed(&["audit", "verify"]).code, Some(0));
    let file = installation.path().join("config.db");
    let mut store = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    store.execute("DROP TRIGGER audit_events_are_not_updated").await.unwrap();
    store.execute("UPDATE audit_events SET actor = 'nobody' WHERE sequence = 3").await.unwrap();
    let broken = installation.typed(&["audit", "verify"]);
    assert_eq!(broken.code, FAILED);
    assert!(broken.stderr.contains("broken at event 3"), "{}", broken.stderr);
    assert_eq!(config_service.terminate(), Some(0));
}
