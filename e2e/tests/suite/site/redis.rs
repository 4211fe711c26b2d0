//! A Redis of the test's own.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{ports::Ports, postgres::open, signal};

/// A server that can be killed, paused and started again. It forgets everything when it ends.
pub(crate) struct Redis {
    folder: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl Redis {
    pub(super) async fn start(folder: &Path, ports: &mut Ports) -> Self {
        let mut redis = Self { folder: folder.to_owned(), port: ports.take(), server: None };
        redis.restart().await;
        redis
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again.
    pub(crate) async fn restart(&mut self) {
        assert!(self.server.is_none(), "it is running");
        let log = File::options().create(true).append(true).open(self.folder.join("redis.log")).unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(&self.folder).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        self.server = Some(command.spawn().expect("redis-server is not here: run `make test`, which installs it"));
        open(self.port).await;
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Stops it where it stands: connections stay open, and nothing answers.
    pub(crate) fn pause(&self) {
        signal::send("STOP", self.server.as_ref().unwrap().id());
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        signal::send("CONT", self.server.as_ref().unwrap().id());
    }

    /// Everything that is in it, as it would be written to disk.
    pub(crate) fn content(&self) -> Vec<u8> {
        let dump = self.folder.join("redis.rdb");
        let port = self.port.to_string();
        let dumped = Command::new("redis-cli").args(["-p", &port, "--rdb"]).arg(&dump).output().unwrap();
        assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
        std::fs::read(dump).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
