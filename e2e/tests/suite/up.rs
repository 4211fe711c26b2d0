//! `switchboard up`: what it offers to try works as printed, what it stored is there again, and it ends when asked.

use std::process::Command;

use crate::program::{self, Ended, Running};

const FREE: &str = "127.0.0.1:0";

fn up(folder: &std::path::Path) -> Running {
    let mut command = program::command();
    command.arg("up").current_dir(folder);
    for variable in [
        "SWITCHBOARD_DISPATCHER__LISTEN",
        "SWITCHBOARD_DISPATCHER__METRICS_LISTEN",
        "SWITCHBOARD_CONFIG_SERVICE__LISTEN",
        "SWITCHBOARD_CONFIG_SERVICE__METRICS_LISTEN",
        "SWITCHBOARD_WEBHOOK_GATEWAY__LISTEN",
        "SWITCHBOARD_WEBHOOK_GATEWAY__METRICS_LISTEN",
        "SWITCHBOARD_VENDOR_SIM__CLOUDMSG_LISTEN",
        "SWITCHBOARD_VENDOR_SIM__SENDTALK_LISTEN",
    ] {
        command.env(variable, FREE);
    }
    Running::start(&mut command)
}

/// The commands that the banner offers, as printed.
fn offered(running: &mut Running) -> Vec<String> {
    let banner = running.until("Ctrl-C").to_vec();
    let commands = banner.iter().map(|line| line.trim()).filter(|line| line.contains("switchboard "));
    commands.filter(|line| line.contains(" send ") || line.contains(" routing ")).map(str::to_owned).collect()
}

fn typed(folder: &std::path::Path, line: &str) -> Ended {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(folder);
    program::run(&mut shell)
}

#[test]
fn what_it_offers_to_try_works_and_is_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = up(folder.path());
    let offered_first = offered(&mut running);
    assert_eq!(offered_first.len(), 4, "{offered_first:?}");
    let answers: Vec<_> = offered_first.iter().map(|line| typed(folder.path(), line)).collect();
    for (line, answer) in offered_first.iter().zip(&answers) {
        assert_eq!(answer.code, Some(0), "{line}\n{}\n{}", answer.stdout, answer.stderr);
    }
    assert!(answers[0].stdout.contains("cloudmsg") && answers[0].stdout.contains("DELIVERED"), "{}", answers[0].stdout);
    assert!(answers[1].stdout.contains("sendtalk"), "{}", answers[1].stdout);
    assert!(answers[2].stdout.contains("sendtalk") && answers[2].stdout.contains("DELIVERED"), "{}", answers[2].stdout);
    assert!(answers[3].stdout.contains("INVALID_RECIPIENT"), "{}", answers[3].stdout);
    assert_eq!(running.terminate(), Some(0));

    let mut running = up(folder.path());
    let again = offered(&mut running);
    let program = again[0].split(" send ").next().unwrap();
    let listed = typed(folder.path(), &format!("{program} messages list --org gaon"));
    assert!(listed.stdout.contains("DELIVERED"), "{}\n{}", listed.stdout, listed.stderr);
    let routing = typed(folder.path(), &format!("{program} routing get hanbit --output json"));
    let routing: serde_json::Value = serde_json::from_str(&routing.stdout).unwrap();
    assert_eq!(routing["routing"]["primary"], "sendtalk", "the switch has outlived the restart");
    let audit = typed(folder.path(), &format!("{program} audit verify"));
    assert_eq!(audit.code, Some(0), "{}", audit.stderr);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn what_holds_secrets_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut running = up(folder.path());
    running.until("Ctrl-C");
    for file in ["tokens.json", "keys.json"] {
        let metadata = folder.path().join(".switchboard").join(file).metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(running.terminate(), Some(0));
}
