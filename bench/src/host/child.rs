//! A child process that is killed, by its id, when its owner lets go of it.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{sync::oneshot, time::timeout};

/// How long a child may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a program of ours says once it listens: this, and its address.
pub(crate) const READY: &str = "ready ";

/// A child process.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts a program. What it writes goes to `<name>.log` in `folder`. It has a process group of its own, so that
    /// Ctrl-C reaches only us, and we end it when we are done.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(name: &str, mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        Self::spawn(name, command, log)
    }

    /// Starts one of our own programs and waits until it says where it listens.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) async fn start_own(name: &str, mut command: Command, folder: &Path) -> anyhow::Result<(Self, String)> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).process_group(0);
        let mut child = Self::spawn(name, command, log)?;
        let output = child.process.stdout.take().context("the child has no output")?;
        let (tell, told) = oneshot::channel();
        thread::spawn(move || {
            let mut line = String::new();
            // No line at all means that the child has ended; the log says why.
            let _ = BufReader::new(output).read_line(&mut line);
            let _ = tell.send(line);
        });
        let line = timeout(PATIENCE, told).await.with_context(|| format!("{name} does not say that it is ready"))??;
        match line.trim().strip_prefix(READY) {
            Some(address) => Ok((child, address.to_owned())),
            None => Err(child.ended("it did not start")),
        }
    }

    fn spawn(name: &str, mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        let process = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Self { name: name.to_owned(), process, log })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// An error with the last lines of its log, if it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.ended(&format!("it has ended ({status})"))),
        }
    }

    fn ended(&self, what: &str) -> anyhow::Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(5)..].join("\n");
        anyhow::anyhow!("{}: {what}: {}", self.name, tail.trim())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This program, with other arguments.
///
/// # Errors
/// When the operating system does not tell where it is.
pub(crate) fn own_program(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}
