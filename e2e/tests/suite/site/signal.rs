//! Signals to processes that this test has started.

use std::process::Command;

/// Sends a signal by its name; whether there was somebody to take it.
pub(super) fn send(signal: &str, pid: u32) -> bool {
    let mut kill = Command::new("kill");
    kill.args([&format!("-{signal}"), &pid.to_string()]).stderr(std::process::Stdio::null());
    kill.status().unwrap().success()
}

/// Whether a process does something of its own when it is told to end.
pub(super) fn handles_term(pid: u32) -> bool {
    const TERM: u32 = 15;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(caught.trim(), 16).unwrap() >> (TERM - 1) & 1 == 1
}

/// The processes that a process has started, and theirs.
pub(super) fn descendants(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        next += 1;
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(child) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            // After the name in brackets: state, parent, …
            let parent_of = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
            if parent_of == Some(parent) {
                found.push(child);
            }
        }
    }
    found.split_off(1)
}
