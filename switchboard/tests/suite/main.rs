//! The command line as a process: what needs no service.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::process::{Command, Output};

fn typed(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SWITCHBOARD_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).output().unwrap()
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = typed(&["completions", shell]);
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains("test-connection"), "{shell}");
    }
}

#[test]
fn every_command_explains_itself() {
    for command in [
        "up",
        "demo",
        "config-service",
        "dispatcher",
        "webhook-gateway",
        "vendor-sim",
        "migrate",
        "health",
        "keys",
        "org",
        "provider",
        "routing",
        "test-connection",
        "send",
        "messages",
        "webhooks",
        "audit",
        "completions",
    ] {
        let output = typed(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("Usage: switchboard"), "{command}");
    }
}

#[test]
fn a_key_ring_is_made_once_and_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let arguments = ["keys", "generate", "--data-dir", data_dir.to_str().unwrap()];
    assert!(typed(&arguments).status.success());
    let file = data_dir.join("keys.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let first = std::fs::read(&file).unwrap();
    assert!(typed(&arguments).status.success());
    assert_eq!(std::fs::read(&file).unwrap(), first);
}
