//! What `deploy/` says about the program is true: its settings are settings, its secrets are taken.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::program::{self, Ended, PATIENCE, Running};

const USAGE: i32 = 2;

fn deploy(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy")).join(path)
}

/// Makes the secrets of the compose file in a folder.
fn make_secrets(folder: &Path) -> Ended {
    let mut command = Command::new(deploy("compose/make-secrets.sh"));
    command.arg(folder).env("SWITCHBOARD", program::path());
    program::run(&mut command)
}

#[test]
fn every_settings_file_holds_only_settings_that_exist() {
    let files = ["compose/switchboard.toml", "kubernetes/base/switchboard.toml", "systemd/switchboard.toml"];
    for file in files.map(deploy) {
        let mut command = program::command();
        command.arg("health").arg("webhook-gateway").arg("--config").arg(&file);
        // Nobody is there to answer on any machine that runs tests; what matters is that it gets that far.
        let ended = program::run(command.args(["--set", "webhook_gateway.metrics_listen=127.0.0.1:1"]));
        assert_eq!(ended.code, Some(1), "{}: {}", file.display(), ended.stderr);
        assert!(ended.stderr.contains("webhook_gateway.metrics_listen"), "{}", ended.stderr);
    }
}

#[test]
fn every_variable_that_a_deployment_sets_is_a_setting() {
    let variable = regex::Regex::new(r"\bSWITCHBOARD_[A-Z][A-Z_]*[A-Z]\b").unwrap();
    let mut names = std::collections::BTreeSet::new();
    let mut folders = vec![deploy("")];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|extension| extension != "sh") {
                let Ok(text) = std::fs::read_to_string(&path) else { continue };
                names.extend(variable.find_iter(&text).map(|name| name.as_str().to_owned()));
            }
        }
    }
    // Of the compose file and the file of settings, not settings themselves.
    for other in ["SWITCHBOARD_CONFIG", "SWITCHBOARD_USER", "SWITCHBOARD_VERSION"] {
        names.remove(other);
    }
    assert!(names.contains("SWITCHBOARD_DISPATCHER__DATABASE_URL_FILE"), "{names:?}");
    for name in names {
        let mut command = program::command();
        command.args(["health", "webhook-gateway"]).env(&name, "http://nowhere");
        let ended = program::run(command.args(["--set", "webhook_gateway.metrics_listen=127.0.0.1:1"]));
        assert_ne!(ended.code, Some(USAGE), "{name}: {}", ended.stderr);
    }
}

#[test]
fn the_secrets_that_are_made_are_private_kept_and_taken_by_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let made = make_secrets(folder.path());
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    for entry in folder.path().read_dir().unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    assert!(read("dispatcher_url").contains(&read("dispatcher_password")));
    let before = (read("tokens.json"), read("keys.json"));
    assert_eq!(make_secrets(folder.path()).code, Some(0));
    assert_eq!((read("tokens.json"), read("keys.json")), before, "a second time changes nothing");

    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let mut command = program::command();
    command.args(["config-service", "--config"]).arg(deploy("compose/switchboard.toml"));
    for (key, value) in [
        ("auth.tokens_file", file("tokens.json")),
        ("config_service.key_file", file("keys.json")),
        ("config_service.database_url_file", file("database")),
        ("config_service.listen", "127.0.0.1:0".to_owned()),
        ("config_service.metrics_listen", address.clone()),
    ] {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    let database = folder.path().join("database");
    std::fs::write(&database, format!("sqlite://{}\n", folder.path().join("config.db").display())).unwrap();
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config_service = Running::start(&mut command);
    let began = std::time::Instant::now();
    let healthy = || {
        let mut command = program::command();
        let metrics = format!("config_service.metrics_listen={address}");
        program::run(command.args(["health", "config-service", "--set", &metrics])).code == Some(0)
    };
    while !healthy() {
        assert!(began.elapsed() < PATIENCE, "config-service is not ready");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(config_service.terminate(), Some(0));
}
