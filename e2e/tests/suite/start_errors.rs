//! What is set wrongly ends the start with one sentence that names it; never with a stack trace.

use std::{net::TcpListener, path::Path, process::Command};

use crate::program::{self, Ended};

const USAGE: i32 = 2;
const FAILED: i32 = 1;

fn alone(folder: &Path) -> Command {
    let mut command = program::command();
    command.current_dir(folder);
    for section in ["DISPATCHER", "CONFIG_SERVICE", "WEBHOOK_GATEWAY"] {
        command.env(format!("SWITCHBOARD_{section}__LISTEN"), "127.0.0.1:0");
        command.env(format!("SWITCHBOARD_{section}__METRICS_LISTEN"), "127.0.0.1:0");
    }
    command.env("SWITCHBOARD_VENDOR_SIM__CLOUDMSG_LISTEN", "127.0.0.1:0");
    command.env("SWITCHBOARD_VENDOR_SIM__SENDTALK_LISTEN", "127.0.0.1:0");
    command
}

/// One line, the code, and everything that somebody needs to mend it.
fn expect(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let complaints: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(complaints.len(), 1, "{}", ended.stderr);
    for word in words {
        assert!(complaints[0].contains(word), "{word} is not named: {}", complaints[0]);
    }
    for trace in ["panicked", "stack backtrace", "RUST_BACKTRACE", ".rs:"] {
        assert!(!ended.stderr.contains(trace), "{}", ended.stderr);
    }
}

#[test]
fn an_unknown_setting_is_named_with_its_place_and_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let ended = program::run(alone(folder.path()).arg("dispatcher").env("SWITCHBOARD_DISPATCHER__LISSTEN", "x"));
    expect(&ended, USAGE, &["dispatcher.lissten", "SWITCHBOARD_DISPATCHER__LISSTEN", "listen"]);
}

#[test]
fn a_value_that_is_none_is_shown_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let ended = program::run(alone(folder.path()).arg("up").env("SWITCHBOARD_DISPATCHER__CACHE_TTL", "soon"));
    expect(&ended, USAGE, &["dispatcher.cache_ttl", "soon"]);
}

#[test]
fn a_settings_file_that_is_missing_or_no_toml_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ended = program::run(alone(folder.path()).args(["up", "--config", "nowhere.toml"]));
    expect(&ended, USAGE, &["nowhere.toml"]);
    std::fs::write(folder.path().join("broken.toml"), "[dispatcher").unwrap();
    let ended = program::run(alone(folder.path()).args(["up", "--config", "broken.toml"]));
    expect(&ended, USAGE, &["broken.toml", "TOML"]);
}

#[test]
fn a_vendor_that_does_not_exist_is_named_with_those_that_do() {
    let folder = tempfile::tempdir().unwrap();
    let ended = program::run(
        alone(folder.path()).arg("up").env("SWITCHBOARD_PROVIDERS__FAXCO__BASE_URL", "http://127.0.0.1:1"),
    );
    expect(&ended, USAGE, &["providers.faxco", "cloudmsg", "sendtalk"]);
}

#[test]
fn a_port_that_is_taken_is_named_with_its_setting_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, key) in [
        ("SWITCHBOARD_DISPATCHER__LISTEN", "dispatcher.listen"),
        ("SWITCHBOARD_CONFIG_SERVICE__METRICS_LISTEN", "config_service.metrics_listen"),
        ("SWITCHBOARD_WEBHOOK_GATEWAY__LISTEN", "webhook_gateway.listen"),
        ("SWITCHBOARD_VENDOR_SIM__SENDTALK_LISTEN", "vendor_sim.sendtalk_listen"),
    ] {
        let ended = program::run(alone(folder.path()).arg("up").env(variable, &address));
        expect(&ended, FAILED, &[&address, key]);
    }
}

#[test]
fn a_database_url_that_is_none_or_leads_nowhere_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "where a folder should be").unwrap();
    let nowhere = format!("sqlite://{}/history.db", file.display());
    for (service, variable) in [
        ("DISPATCHER", "SWITCHBOARD_DISPATCHER__DATABASE_URL"),
        ("CONFIG_SERVICE", "SWITCHBOARD_CONFIG_SERVICE__DATABASE_URL"),
    ] {
        let key = format!("{}.database_url", service.to_lowercase());
        let wrong = [("mysql://127.0.0.1/x", USAGE, key.as_str()), (&nowhere, FAILED, "a-file/history.db")];
        for (url, code, named) in wrong {
            expect(&program::run(alone(folder.path()).arg("up").env(variable, url)), code, &[named]);
        }
    }
}

#[test]
fn a_value_that_nobody_can_mean_is_set_wrongly_wherever_it_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, value, key) in [
        ("SWITCHBOARD_LOG__FILTER", "x=y=z", "log.filter"),
        ("SWITCHBOARD_REDIS_URL", "http://127.0.0.1", "redis_url"),
        ("SWITCHBOARD_AUTH__RELOAD_INTERVAL", "0s", "auth.reload_interval"),
        ("SWITCHBOARD_TELEMETRY__OTLP_ENDPOINT", "nowhere at all", "telemetry.otlp_endpoint"),
        ("SWITCHBOARD_CONFIG_SERVICE__WEBHOOK_SECRET_OVERLAP", "10000y", "config_service.webhook_secret_overlap"),
        ("SWITCHBOARD_DISPATCHER__BREAKER__FAILURE_RATE", "50", "dispatcher.breaker.failure_rate"),
        ("SWITCHBOARD_DISPATCHER__RETENTION__DROP_AFTER", "1h", "dispatcher.retention.drop_after"),
    ] {
        expect(&program::run(alone(folder.path()).arg("up").env(variable, value)), USAGE, &[key]);
    }
}

#[test]
fn a_tokens_file_that_others_can_read_is_refused_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    std::fs::write(&file, "{}").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ended = program::run(alone(folder.path()).arg("up").env("SWITCHBOARD_AUTH__TOKENS_FILE", &file));
    expect(&ended, FAILED, &["tokens.json", "chmod 600"]);
}

#[test]
fn a_key_ring_that_is_damaged_or_missing_is_refused_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, "not a key ring").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let ended = program::run(alone(folder.path()).arg("up").env("SWITCHBOARD_CONFIG_SERVICE__KEY_FILE", &file));
    expect(&ended, FAILED, &["keys.json", "backup"]);
    let missing = folder.path().join("none.json");
    // Alone it makes no key ring: a second one would make the stored credentials unreadable.
    let tokens = folder.path().join("tokens.json");
    std::fs::write(&tokens, r#"{"operator":{"token":"0123456789abcdef0123456789abcdef","roles":["OPERATOR"]}}"#)
        .unwrap();
    std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(0o600)).unwrap();
    let ended = program::run(
        alone(folder.path())
            .arg("config-service")
            .env("SWITCHBOARD_AUTH__TOKENS_FILE", &tokens)
            .env("SWITCHBOARD_CONFIG_SERVICE__KEY_FILE", &missing),
    );
    expect(&ended, FAILED, &["none.json", "switchboard keys generate"]);
}

#[test]
fn a_service_without_a_token_is_told_where_to_put_one() {
    let folder = tempfile::tempdir().unwrap();
    let ended = program::run(alone(folder.path()).arg("dispatcher"));
    assert!(matches!(ended.code, Some(USAGE | FAILED)), "{}", ended.stderr);
    expect(&ended, ended.code.unwrap(), &["dispatcher.token", "tokens.json"]);
}

#[test]
fn a_command_that_is_typed_wrongly_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    for typed in [vec!["fly"], vec!["send", "sms"], vec!["routing", "set", "hanbit", "--canary", "sendtalk"]] {
        let ended = program::run(alone(folder.path()).args(&typed));
        assert_eq!(ended.code, Some(USAGE), "{typed:?}: {}", ended.stderr);
    }
}

#[test]
fn a_service_that_is_not_there_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let ended = program::run(alone(folder.path()).args([
        "org",
        "list",
        "--token",
        "x",
        "--config-service",
        "http://127.0.0.1:1",
    ]));
    expect(&ended, FAILED, &["switchboard up"]);
}
