//! Where the `switchboard` program is.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::Context as _;

use crate::output;

/// The `switchboard` program of the same build as this one.
#[derive(Clone, Debug)]
pub(crate) struct Switchboard(pub(crate) PathBuf);

/// The program beside this one. Under `cargo run` it is built first, so that what is measured is what is written.
///
/// # Errors
/// That it is not there, with the command that builds it.
pub(crate) fn program() -> anyhow::Result<Switchboard> {
    let own = env::current_exe()?;
    let release = own.parent().is_some_and(|folder| folder.ends_with("release"));
    if let (Some(cargo), Some(folder)) = (env::var_os("CARGO"), env::var_os("CARGO_MANIFEST_DIR")) {
        let mut build = Command::new(cargo);
        build.current_dir(folder).args(["build", "--locked", "-p", "switchboard"]).stdout(Stdio::null());
        if release {
            build.arg("--release");
        }
        anyhow::ensure!(build.status()?.success(), "the program switchboard does not build");
    }
    if !release {
        output::note("note: this is not a release build; the figures say nothing about one");
    }
    let program = own.with_file_name("switchboard");
    let flag = if release { " --release" } else { "" };
    program.is_file().then_some(Switchboard(program)).with_context(|| {
        format!("the program switchboard is not beside this one; build it: cargo build{flag} -p switchboard")
    })
}
