//! A PostgreSQL of the test's own.

use std::{
    fs::File,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::net::TcpStream;

use super::{eventually, ports::Ports, signal};

/// A server that can be killed, paused and started again. Its databases are `history` and `configuration`.
pub(crate) struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    owner: Option<(u32, u32)>,
    port: u16,
    server: Option<Child>,
}

impl Postgres {
    pub(super) async fn start(folder: &Path, ports: &mut Ports) -> Self {
        let folder = folder.join("postgres");
        std::fs::create_dir(&folder).unwrap();
        let owner = owner();
        if let Some((user, group)) = owner {
            // The server's account must be able to reach its folder.
            open_to_all(folder.parent().unwrap());
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).unwrap();
        }
        let mut postgres = Self { programs: programs(), folder, owner, port: ports.take(), server: None };
        let mut initdb = postgres.command("initdb");
        initdb.arg("-D").arg(postgres.folder.join("data"));
        initdb.args(["-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        run(initdb);
        postgres.restart().await;
        for database in ["history", "configuration"] {
            let mut create = postgres.command("psql");
            create.args(["-h", "127.0.0.1", "-p", &postgres.port.to_string(), "-U", "postgres", "-d", "postgres"]);
            create.args(["-q", "-c", &format!("CREATE DATABASE {database}")]);
            run(create);
        }
        postgres
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again; waits until it lets somebody in.
    pub(crate) async fn restart(&mut self) {
        assert!(self.server.is_none(), "it is running");
        let began = tokio::time::Instant::now();
        loop {
            let log = File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
            let mut command = self.command("postgres");
            command.arg("-D").arg(self.folder.join("data")).args(["-p", &self.port.to_string()]);
            for setting in ["listen_addresses=127.0.0.1", "max_connections=200", "fsync=off", "shared_buffers=32MB"] {
                command.args(["-c", setting]);
            }
            command.arg("-c").arg(format!("unix_socket_directories={}", self.folder.display()));
            let mut server = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
            // What an earlier one has left behind may still be ending: then this one ends at once.
            while server.try_wait().unwrap().is_none() {
                if self.lets_in().await {
                    self.server = Some(server);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert!(began.elapsed() < super::PATIENCE, "it does not start: see {}", self.folder.join("log").display());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn lets_in(&self) -> bool {
        let mut ready = self.command("pg_isready");
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-d", "postgres"]);
        TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() && ready.status().unwrap().success()
    }

    /// Kills every process of it at once.
    pub(crate) fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // The first one first: it would start others in their place.
        let children = signal::descendants(server.id());
        server.kill().unwrap();
        for child in children {
            signal::send("KILL", child);
        }
        server.wait().unwrap();
    }

    /// Stops every process of it where it stands: connections stay open, and nothing answers.
    pub(crate) fn pause(&self) {
        let server = self.server.as_ref().unwrap().id();
        signal::send("STOP", server);
        for child in signal::descendants(server) {
            signal::send("STOP", child);
        }
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        let server = self.server.as_ref().unwrap().id();
        for process in signal::descendants(server).into_iter().chain([server]) {
            signal::send("CONT", process);
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.resume();
        }
        self.kill();
    }
}

/// The folder of its programs: Debian keeps them out of PATH.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    // On the PATH may be a link to one program alone; the others are where it leads.
    let found =
        std::env::split_paths(&path).chain(folders).find_map(|folder| folder.join("initdb").canonicalize().ok());
    let found = found.expect("PostgreSQL is not here: run `make test`, which installs it, or install it yourself");
    found.parent().unwrap().to_owned()
}

/// The account that it runs under when the test is run by root, which it refuses.
fn owner() -> Option<(u32, u32)> {
    let number = |arguments: &[&str]| -> Option<u32> {
        let said = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8_lossy(&said.stdout).trim().parse().ok()
    };
    if number(&["-u"]) != Some(0) {
        return None;
    }
    let of = |name: &str| Some((number(&["-u", name])?, number(&["-g", name])?));
    Some(of("postgres").or_else(|| of("nobody")).expect("root needs another account to run PostgreSQL"))
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(mut command: Command) {
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// Waits for a port to be open.
pub(super) async fn open(port: u16) {
    eventually("the port is open", async || TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
}
