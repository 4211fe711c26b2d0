//! The tokens file: made, read, refused.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use switchboard_runtime::auth::{Authenticator as _, Gatekeeper, Role, STANDARD_ENTRIES, TokenFile, Tokens};
use switchboard_runtime::config::AuthConfig;
use switchboard_runtime::http::Readiness;
use switchboard_runtime::{Lifecycle, SystemClock, telemetry};
use tempfile::TempDir;

fn written(content: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    std::fs::write(&path, content).unwrap();
    chmod(&path, 0o600);
    (folder, path)
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn refused(content: &str) -> String {
    let (_folder, path) = written(content);
    Tokens::load(&path).unwrap_err().to_string()
}

#[test]
fn a_generated_file_opens_for_each_of_its_entries() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/tokens.json");
    assert!(Tokens::generate_file(&path).unwrap());
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    let (file, tokens) = (TokenFile::read(&path).unwrap(), Tokens::load(&path).unwrap());
    let mut different = BTreeSet::new();
    for (name, role) in STANDARD_ENTRIES {
        let token = file.token_of(name).unwrap();
        assert_eq!(token.expose_secret().len(), 43, "32 bytes in base64url");
        let principal = tokens.authenticate(token.expose_secret()).unwrap();
        assert_eq!(&*principal.name, name);
        assert_eq!(principal.roles.iter().collect::<Vec<_>>(), [role]);
        assert!(principal.organizations.is_none());
        different.insert(token.expose_secret().to_owned());
    }
    assert_eq!(different.len(), STANDARD_ENTRIES.len());
}

#[test]
fn generating_again_keeps_the_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    Tokens::generate_file(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(!Tokens::generate_file(&path).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn entries_have_several_roles_and_limits() {
    let (_folder, path) =
        written(r#"{"ward": {"token": "w-1", "roles": ["OPERATOR", "SENDER"], "organizations": ["a", "b"]}}"#);
    let ward = Tokens::load(&path).unwrap().authenticate("w-1").unwrap();
    assert!(ward.has_any(&[Role::Sender]) && ward.has_any(&[Role::Operator]));
    assert!(ward.authorize_organization("b").is_ok());
    assert!(ward.authorize_organization("c").is_err());
}

#[test]
fn a_token_that_nobody_has_is_rejected() {
    let (_folder, path) = written(r#"{"a": {"token": "t-1", "roles": ["VIEWER"]}}"#);
    let tokens = Tokens::load(&path).unwrap();
    for other in ["t-2", "t-", "t-11", "T-1", ""] {
        assert!(tokens.authenticate(other).is_err(), "{other:?}");
    }
    let (_folder, empty) = written("{}");
    assert!(Tokens::load(&empty).unwrap().authenticate("t-1").is_err());
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_remedy() {
    let (_folder, path) = written("{}");
    chmod(&path, 0o644);
    let error = Tokens::load(&path).unwrap_err().to_string();
    assert!(error.contains("mode 644") && error.contains("chmod 600"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Tokens::load(Path::new("/nowhere/tokens.json")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/tokens.json"), "{error}");
}

#[test]
fn unknown_roles_are_named_with_those_there_are() {
    let error = refused(r#"{"admin": {"token": "t-1", "roles": ["ADMIN"]}}"#);
    assert!(error.contains("\"admin\"") && error.contains("\"ADMIN\"") && error.contains("SUPERADMIN"), "{error}");
}

#[test]
fn two_entries_with_one_token_are_both_named() {
    let error = refused(r#"{"a": {"token": "s3cr3t", "roles": []}, "b": {"token": "s3cr3t", "roles": []}}"#);
    assert!(error.contains("\"a\" and \"b\"") && !error.contains("s3cr3t"), "{error}");
}

#[test]
fn empty_and_unsendable_tokens_are_named_but_not_shown() {
    for token in ["", "s3cr3t s3cr3t", "s3cr3t\\n", "s3cr3t-한글"] {
        let error = refused(&format!(r#"{{"a": {{"token": "{token}", "roles": []}}}}"#));
        assert!(error.contains("entry \"a\"") && !error.contains("s3cr3t"), "{error}");
    }
}

#[test]
fn a_wrong_shape_is_located_without_quoting_the_file() {
    for content in [
        "not json s3cr3t",
        r#"{"a": "s3cr3t"}"#,
        r#"{"a": {"token": "t-1"}}"#,
        r#"{"a": {"token": "t-1", "roles": ["VIEWER"], "s3cr3t": 1}}"#,
        "[]",
    ] {
        let error = refused(content);
        assert!(error.contains("line 1, column") && !error.contains("s3cr3t"), "{error}");
    }
}

#[test]
fn a_missing_entry_is_answered_with_those_there_are() {
    let (_folder, path) = written(r#"{"a": {"token": "t-1", "roles": []}, "b": {"token": "t-2", "roles": []}}"#);
    let error = TokenFile::read(&path).unwrap().token_of("sender").unwrap_err().to_string();
    assert!(error.contains("\"sender\"") && error.contains("a, b"), "{error}");
}

#[test]
fn no_debug_output_shows_a_token() {
    let (_folder, path) = written(r#"{"a": {"token": "s3cr3t", "roles": ["VIEWER"]}}"#);
    let file = TokenFile::read(&path).unwrap();
    let shown = format!("{file:?} {:?} {:?}", Tokens::from(&file), file.token_of("a").unwrap());
    assert!(shown.contains("\"a\"") && !shown.contains("s3cr3t"), "{shown}");
}

#[test]
fn a_token_may_be_kept_as_its_digest_alone() {
    let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, b"t-1"));
    let (_folder, path) = written(&format!(
        r#"{{"a": {{"token_sha256": "{digest}", "roles": ["VIEWER"]}}, "b": {{"token": "t-2", "roles": []}}}}"#
    ));
    let tokens = Tokens::load(&path).unwrap();
    assert_eq!(&*tokens.authenticate("t-1").unwrap().name, "a");
    assert_eq!(&*tokens.authenticate("t-2").unwrap().name, "b");
    assert!(tokens.authenticate(&digest).is_err(), "whoever reads the file cannot call");
    let error = TokenFile::read(&path).unwrap().token_of("a").unwrap_err().to_string();
    assert!(error.contains("\"a\"") && error.contains("digest"), "{error}");
}

#[test]
fn an_entry_has_one_form_of_its_token() {
    let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, b"t-1"));
    for form in [
        format!(r#""token": "t-1", "token_sha256": "{digest}""#),
        r#""token_sha256": "t-1""#.to_owned(),
        format!(r#""token_sha256": "{}""#, &digest[2..]),
    ] {
        let error = refused(&format!(r#"{{"a": {{{form}, "roles": []}}}}"#));
        assert!(error.contains("\"a\"") && error.contains("token_sha256") && !error.contains("t-1"), "{error}");
    }
    let both = format!(r#"{{"a": {{"token_sha256": "{digest}", "roles": []}}, "b": {{"token": "t-1", "roles": []}}}}"#);
    assert!(refused(&both).contains("\"a\" and \"b\""));
}

#[tokio::test]
async fn a_new_tokens_file_is_used_without_a_restart_and_one_that_is_none_is_not() {
    let (_folder, path) = written(r#"{"a": {"token": "t-1", "roles": ["VIEWER"]}}"#);
    let config = AuthConfig {
        tokens_file: Some(path.clone()),
        reload_interval: Duration::from_millis(10),
        ..AuthConfig::default()
    };
    let lifecycle = Lifecycle::new();
    let gatekeeper = Gatekeeper::start(&config, &SystemClock::shared(), &Readiness::new(), &lifecycle).await.unwrap();
    let eventually = async |what: &str, happens: &dyn Fn() -> bool| {
        let looking = async {
            while !happens() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap_or_else(|_| panic!("not in time: {what}"));
    };
    let failed = || {
        let rendered = telemetry::metrics().unwrap().render();
        rendered.lines().any(|line| line == "switchboard_tokens_reload_failed 1")
    };
    telemetry::metrics().unwrap();
    std::fs::write(&path, r#"{"b": {"token": "t-2", "roles": ["VIEWER"]}}"#).unwrap();
    eventually("the new token", &|| gatekeeper.authenticate("t-2").is_ok()).await;
    assert!(gatekeeper.authenticate("t-1").is_err(), "the old token is gone");

    std::fs::write(&path, "{").unwrap();
    eventually("the failure is told", &failed).await;
    assert!(gatekeeper.authenticate("t-2").is_ok());
    std::fs::write(&path, r#"{"c": {"token": "t-3", "roles": ["VIEWER"]}}"#).unwrap();
    eventually("the mended file", &|| gatekeeper.authenticate("t-3").is_ok()).await;

    // What stands in the way may be something else than the content.
    let allow = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    allow(0o644);
    std::fs::write(&path, r#"{"d": {"token": "t-4", "roles": ["VIEWER"]}}"#).unwrap();
    eventually("the failure is told", &failed).await;
    assert!(gatekeeper.authenticate("t-3").is_ok());
    allow(0o600);
    eventually("the file for its owner alone", &|| gatekeeper.authenticate("t-4").is_ok()).await;
    lifecycle.shutdown().await.unwrap();
}
