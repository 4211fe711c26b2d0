//! The real services as child processes: the `switchboard` program with ports, tokens, keys and organisations of its own.

mod organizations;
mod program;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context as _;
use secrecy::SecretString;
use switchboard_proto::config::v1::config_admin_service_client::ConfigAdminServiceClient;
use switchboard_runtime::{
    auth::{TokenFile, Tokens},
    grpc::{AuthorizedChannel, client},
};
use tokio::time::{Instant, sleep};

use crate::host::{Child, free_port};
pub(crate) use organizations::{CALLBACK_SECRET, create, create_many, organization_id};
pub(crate) use program::{Switchboard, program};

/// How long a service may take to be ready; a dispatcher may have a large snapshot to read.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client of config-service that may do everything.
pub(crate) type Admin = ConfigAdminServiceClient<AuthorizedChannel>;

/// A folder with tokens and keys, and a config-service on them.
#[derive(Debug)]
pub(crate) struct House {
    program: PathBuf,
    folder: PathBuf,
    vendor_url: String,
    tokens: TokenFile,
    config_service: Service,
}

/// A running service.
#[derive(Debug)]
pub(crate) struct Service {
    process: Child,
    /// Where it serves.
    pub(crate) url: String,
    health_url: String,
}

impl House {
    /// Makes tokens and keys in `folder`, and starts config-service on embedded storage there.
    ///
    /// # Errors
    /// Why config-service does not come up.
    pub(crate) async fn build(program: &Path, folder: &Path, vendor_url: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let tokens_file = folder.join("tokens.json");
        Tokens::generate_file(&tokens_file)?;
        let made = command(program, folder, vendor_url).args(["keys", "generate"]).output()?;
        let why = String::from_utf8_lossy(&made.stderr);
        anyhow::ensure!(made.status.success(), "switchboard keys generate: {}", why.trim());
        let mut config_service =
            start(command(program, folder, vendor_url), folder, "config-service", "config-service", &[])?;
        config_service.ready().await?;
        Ok(Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            vendor_url: vendor_url.to_owned(),
            tokens: TokenFile::read(&tokens_file)?,
            config_service,
        })
    }

    /// The config-service.
    pub(crate) fn config_service(&self) -> &Service {
        &self.config_service
    }

    /// Starts a dispatcher; `name` sets its files apart from those of others.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start_dispatcher(&self, name: &str, settings: &[(&str, &str)]) -> anyhow::Result<Service> {
        let database = format!("sqlite://{}", self.folder.join(format!("{name}.db")).display());
        let mut all = vec![
            ("dispatcher.config_service_url", self.config_service.url.as_str()),
            ("dispatcher.node_id", name),
            ("dispatcher.database_url", database.as_str()),
        ];
        all.extend_from_slice(settings);
        start(command(&self.program, &self.folder, &self.vendor_url), &self.folder, name, "dispatcher", &all)
    }

    /// Starts a dispatcher and waits until it can send.
    ///
    /// # Errors
    /// Why it does not come up.
    pub(crate) async fn dispatcher(&self, name: &str, settings: &[(&str, &str)]) -> anyhow::Result<Service> {
        let mut dispatcher = self.start_dispatcher(name, settings)?;
        dispatcher.ready().await?;
        Ok(dispatcher)
    }

    /// Starts a webhook gateway before a dispatcher and waits until it can take callbacks.
    ///
    /// # Errors
    /// Why it does not come up.
    pub(crate) async fn gateway(&self, dispatcher: &Service, settings: &[(&str, &str)]) -> anyhow::Result<Service> {
        let mut all = vec![
            ("webhook_gateway.config_service_url", self.config_service.url.as_str()),
            ("webhook_gateway.dispatcher_url", dispatcher.url.as_str()),
        ];
        all.extend_from_slice(settings);
        let command = command(&self.program, &self.folder, &self.vendor_url);
        let mut gateway = start(command, &self.folder, "webhook-gateway", "webhook-gateway", &all)?;
        gateway.ready().await?;
        Ok(gateway)
    }

    /// The token of an entry.
    ///
    /// # Errors
    /// When there is no such entry.
    pub(crate) fn token(&self, name: &str) -> anyhow::Result<SecretString> {
        Ok(self.tokens.token_of(name)?)
    }

    /// A client of config-service, on a connection of its own.
    ///
    /// # Errors
    /// When the token cannot be sent.
    pub(crate) fn admin(&self) -> anyhow::Result<Admin> {
        Ok(Admin::new(client::channel(&self.config_service.url, self.token("superadmin")?)?))
    }
}

impl Service {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Waits until it says that it can do its job.
    ///
    /// # Errors
    /// That it has ended, or does not get ready.
    pub(crate) async fn ready(&mut self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().build()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = client.get(&self.health_url).send().await;
            if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            self.process.check()?;
            if Instant::now() > deadline {
                let why = match answer {
                    Ok(answer) => answer.text().await.unwrap_or_default(),
                    Err(error) => error.to_string(),
                };
                anyhow::bail!("{} is not ready after {PATIENCE:?}: {}", self.url, why.trim());
            }
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// The program with a folder of its own, and with nothing of our own environment.
fn command(program: &Path, folder: &Path, vendor_url: &str) -> Command {
    let mut command = Command::new(program);
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.as_encoded_bytes().starts_with(b"SWITCHBOARD_")) {
        command.env_remove(name);
    }
    command
        .current_dir(folder)
        .env("SWITCHBOARD_DATA_DIR", folder)
        .env("SWITCHBOARD_AUTH__TOKENS_FILE", folder.join("tokens.json"))
        .env("SWITCHBOARD_PROVIDERS__CLOUDMSG__BASE_URL", vendor_url);
    command
}

fn start(
    mut command: Command,
    folder: &Path,
    name: &str,
    service: &str,
    settings: &[(&str, &str)],
) -> anyhow::Result<Service> {
    let section = service.replace('-', "_");
    let (port, health_port) = (free_port()?, free_port()?);
    command.arg(service);
    for (key, value) in [("listen", port), ("metrics_listen", health_port)] {
        command.arg("--set").arg(format!("{section}.{key}=127.0.0.1:{value}"));
    }
    for (key, value) in settings {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    let process = Child::start(name, command, folder).with_context(|| format!("starting {name}"))?;
    Ok(Service {
        process,
        url: format!("http://127.0.0.1:{port}"),
        health_url: format!("http://127.0.0.1:{health_port}/readyz"),
    })
}
