//! The repository says nothing about the machines and folders on which it was made.

use std::path::{Path, PathBuf};

/// What is not ours to read: what cargo and the program make, and the lock file.
const NOT_OURS: [&str; 5] = ["target", ".git", ".switchboard", "Cargo.lock", "node_modules"];

/// Written in pieces, so that this file does not hold what it looks for.
fn forbidden() -> [String; 4] {
    [["/wo", "rk/"], ["/ro", "ot/"], ["/tmp/", "brief"], [".lib", "rary/"]].map(|pieces| pieces.concat())
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn all_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")), &mut found);
    found
}

#[test]
fn no_file_names_a_folder_of_somebodys_machine() {
    let files = all_files();
    assert!(files.len() > 100, "only {} files were found", files.len());
    for path in files {
        // Pictures are no text.
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for word in forbidden() {
            assert!(!text.contains(&word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn every_script_runs_where_bash_is_and_stops_at_the_first_error() {
    for path in all_files() {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        let is_script = folder == "scripts" || folder == ".ci";
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if is_script && text.starts_with("#!") {
            assert!(text.starts_with("#!/usr/bin/env bash\n"), "{}", path.display());
            assert!(text.contains("\nset -euo pipefail\n"), "{} goes on after an error", path.display());
        }
    }
}
