//! A throw-away PostgreSQL with its defaults (fsync on), listening on a free port of the loopback address.

use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
    str::FromStr as _,
    time::Duration,
};

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, postgres::PgConnectOptions};
use tokio::time::{Instant, sleep};

use crate::host::{Child, free_port};

const PATIENCE: Duration = Duration::from_secs(30);
/// Files of the write-ahead log that are there to be used again before anything is measured: 16 MiB each, more than one run
/// fills.
const LOG_FILES: u32 = 48;
/// The account that Debian's packages make; the server refuses to run as root.
const ACCOUNT: &str = "postgres";

/// A running server. It stops, and its folder goes, when this is dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    server: Child,
    port: u16,
    programs: PathBuf,
    folder: PathBuf,
    owner: Option<(u32, u32)>,
}

impl Postgres {
    /// Makes a cluster below `folder` and starts it.
    ///
    /// # Errors
    /// What is missing, or why it does not come up.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let programs = programs().context(
            "PostgreSQL's initdb is not found; install it (Debian: apt-get install postgresql) or put it on the PATH",
        )?;
        let owner = if fs::metadata("/proc/self")?.uid() == 0 { Some(account(ACCOUNT)?) } else { None };
        let data = folder.join("postgres");
        fs::create_dir(&data)?;
        if let Some((user, group)) = owner {
            chown(&data, Some(user), Some(group))?;
        }
        let cluster = data.join("data");
        let mut init = as_owner(&programs.join("initdb"), owner, &data);
        init.arg("-D").arg(&cluster).args(["-U", ACCOUNT, "-A", "trust", "-E", "UTF8", "--locale=C"]);
        let made = init.output().context("initdb cannot be started")?;
        anyhow::ensure!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr).trim());

        let port = free_port()?;
        let mut command = as_owner(&programs.join("postgres"), owner, &data);
        command.arg("-D").arg(&cluster).arg("-p").arg(port.to_string());
        command.arg("-c").arg(format!("unix_socket_directories={}", data.display()));
        let server = Child::start("postgres", command, folder)?;
        let mut postgres = Self { server, port, programs, folder: cluster, owner };
        postgres.wait().await?;
        postgres.settle().await?;
        Ok(postgres)
    }

    /// Brings it to the state in which a server is that has been running for a while: its log goes into files that are
    /// there. A new server makes each one as it comes to it, and holds up every commit meanwhile: whoever is measured first,
    /// and whoever writes more, would be measured with a pause of some 15 ms for each. Its memory has been used, too: the
    /// first touch of a page takes the kernel longer than all others.
    async fn settle(&self) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        for _ in 0..LOG_FILES {
            // A file in which nothing is written is not left for the next one.
            for sql in ["SELECT pg_logical_emit_message(false, 'bench', '')", "SELECT pg_switch_wal()"] {
                sqlx::raw_sql(sql).execute(&mut connection).await?;
            }
        }
        // Each page of its memory is touched. Inserted, not copied: what is copied goes through a few buffers only.
        for sql in [
            "CREATE TABLE filler AS SELECT '' AS text WITH NO DATA",
            "ALTER TABLE filler ALTER COLUMN text SET STORAGE PLAIN",
            "INSERT INTO filler SELECT repeat('x', 8000) FROM generate_series(1, \
             (SELECT setting::bigint FROM pg_settings WHERE name = 'shared_buffers'))",
            "DROP TABLE filler",
        ] {
            sqlx::raw_sql(sql).execute(&mut connection).await?;
        }
        self.checkpoint().await
    }

    async fn wait(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.connect().await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => self.server.check()?,
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The server's first process; the others are its children.
    pub(crate) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Makes a database and returns its address.
    ///
    /// # Errors
    /// When the server does not do it.
    pub(crate) async fn create(&self, name: &str) -> anyhow::Result<String> {
        self.execute(format!("CREATE DATABASE {name}")).await?;
        Ok(self.url(name))
    }

    /// Drops a database, and writes out what it left behind, so that whoever is measured next does not pay for it.
    ///
    /// # Errors
    /// When the server does not do it.
    pub(crate) async fn discard(&self, name: &str) -> anyhow::Result<()> {
        self.execute(format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        self.checkpoint().await
    }

    /// Writes out what is still in memory.
    ///
    /// # Errors
    /// When the server does not do it.
    pub(crate) async fn checkpoint(&self) -> anyhow::Result<()> {
        self.execute("CHECKPOINT".to_owned()).await
    }

    async fn execute(&self, sql: String) -> anyhow::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connect().await?).await?;
        Ok(())
    }

    async fn connect(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnectOptions::from_str(&self.url(ACCOUNT))?.connect().await?)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://{ACCOUNT}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Postgres {
    /// By its own tool: a server that is merely killed leaves shared memory behind.
    fn drop(&mut self) {
        let mut stop = as_owner(&self.programs.join("pg_ctl"), self.owner, &self.folder);
        stop.arg("stop").arg("-s").arg("-w").arg("-m").arg("immediate").arg("-D").arg(&self.folder);
        let _ = stop.output();
    }
}

fn as_owner(program: &Path, owner: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}

/// The folder with `initdb`: on the PATH, or the newest where Debian keeps them.
fn programs() -> Option<PathBuf> {
    let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let mut packaged: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    packaged.sort_unstable();
    let folders = on_path.into_iter().chain(packaged.into_iter().rev().map(|(_, folder)| folder));
    folders.into_iter().find(|folder| folder.join("initdb").is_file())
}

/// User and group id of an account.
fn account(name: &str) -> anyhow::Result<(u32, u32)> {
    let text = fs::read_to_string("/etc/passwd")?;
    let fields = text.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name);
    match fields.as_deref() {
        Some([_, _, user, group, ..]) => Ok((user.parse()?, group.parse()?)),
        _ => anyhow::bail!("PostgreSQL does not run as root and there is no account {name}; run this as another user"),
    }
}
