//! One process of a service.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use super::{eventually, signal};
use crate::program;

/// One process of a service, which may run or not.
pub(crate) struct Node {
    service: &'static str,
    name: String,
    variables: BTreeMap<String, String>,
    settings: BTreeMap<String, String>,
    port: u16,
    metrics_port: u16,
    folder: PathBuf,
    child: Option<Child>,
}

impl Node {
    pub(super) fn new(
        service: &'static str,
        number: usize,
        (port, metrics_port): (u16, u16),
        common: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Self {
        let name = format!("{service}-{number}");
        let section = service.replace('-', "_");
        let mut settings = common.clone();
        settings.insert(format!("{section}.listen"), format!("127.0.0.1:{port}"));
        settings.insert(format!("{section}.metrics_listen"), format!("127.0.0.1:{metrics_port}"));
        let variables = settings.iter().map(|(key, value)| (variable(key), value.clone()));
        let path = std::env::var("PATH").unwrap_or_default();
        let variables = variables.chain([("PATH".to_owned(), path)]).collect();
        Self { service, name, variables, settings, port, metrics_port, folder: folder.to_owned(), child: None }
    }

    /// One more of the same service, with some settings changed.
    pub(super) fn sibling(&self, number: usize, ports: (u16, u16), changes: &[(&str, &str)], folder: &Path) -> Self {
        let mut settings = self.settings.clone();
        for (key, value) in changes {
            settings.insert((*key).to_owned(), (*value).to_owned());
        }
        Self::new(self.service, number, ports, &settings, folder)
    }

    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts the process. What it logs is kept.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "{} is running", self.name);
        let log = || File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut command = Command::new(program::path());
        command.env_clear().envs(&self.variables).arg(self.service).current_dir(&self.folder);
        self.child = Some(command.stdin(Stdio::null()).stdout(log()).stderr(log()).spawn().unwrap());
    }

    /// Kills it where it stands.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits until it hears when it is told to end: before, the signal ends it where it stands.
    async fn listens_to_signals(&self) {
        let pid = self.child.as_ref().unwrap().id();
        eventually(&format!("{} listens to SIGTERM", self.name), async || signal::handles_term(pid).then_some(()))
            .await;
    }

    /// Asks it to end, as an orchestrator does, and returns how it did.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.listens_to_signals().await;
        let mut child = self.child.take().unwrap();
        signal::send("TERM", child.id());
        eventually(&format!("{} ends", self.name), async || child.try_wait().unwrap()).await
    }

    /// Stops it where it stands: its connections stay open.
    pub(crate) fn pause(&self) {
        signal::send("STOP", self.child.as_ref().unwrap().id());
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        signal::send("CONT", self.child.as_ref().unwrap().id());
    }

    /// How it ended, if it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().unwrap()?;
        self.child = None;
        Some(status)
    }

    /// Everything that it has logged, over all of its lives.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// Asks its metrics and health port; `None`: there is no answer.
    pub(crate) async fn http(&self, path: &str) -> Option<(u16, String)> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
        let answer = client.get(format!("http://127.0.0.1:{}{path}", self.metrics_port)).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Waits until it says that it can do its job.
    pub(crate) async fn ready(&self) {
        self.says(200, "").await;
    }

    /// Waits until `/readyz` answers so, in these words.
    pub(crate) async fn says(&self, status: u16, words: &str) -> String {
        let mut last = None;
        let what = format!("{} says {status} {words}", self.name);
        let began = tokio::time::Instant::now();
        loop {
            let answer = self.http("/readyz").await;
            if let Some((_, text)) = answer.as_ref().filter(|(code, text)| *code == status && text.contains(words)) {
                return text.clone();
            }
            last = answer.or(last);
            assert!(began.elapsed() < super::PATIENCE, "{what}; it said {last:?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The value of a metric: the first line that begins so.
    pub(crate) async fn metric(&self, beginning: &str) -> Option<f64> {
        let (_, text) = self.http("/metrics").await?;
        let line = text.lines().find(|line| line.starts_with(beginning))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The variable of a setting.
fn variable(key: &str) -> String {
    format!("SWITCHBOARD_{}", key.replace('.', "__").to_uppercase())
}
