//! Everything that a test of the service needs, started and connected.

use std::{collections::BTreeMap, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::PathBuf, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};
use switchboard_dispatcher::Config;
use switchboard_proto::config::v1::OrganizationEntry;
use switchboard_providers::{Registry, VendorSettings};
use switchboard_runtime::{
    Clock as _, Ids, Lifecycle, ManualClock, SystemClock,
    config::{AuthConfig, Listen, TlsConfig},
    grpc::client::{self, AuthorizedChannel},
    process::{Process, Started},
};
use switchboard_vendor_sim::{
    VendorSim,
    demo::{CLOUDMSG_DEFAULT, CLOUDMSG_HANBIT, SENDTALK_HANBIT, SENDTALK_NARAE},
};
use tempfile::TempDir;

use super::{ConfigService, Gateway, Sender, Vendors, cloudmsg, organization, sendtalk};
use crate::support::eventually;

/// Noon in Korea: no test meets the night by accident.
const NOON: &str = "2026-03-02T12:00:00+09:00";

/// What differs from the usual world.
pub struct Setup {
    pub config: Config,
    /// Besides `default`, `hanbit` (both vendors, CloudMsg first) and `narae` (SendTalk).
    pub organizations: Vec<OrganizationEntry>,
    /// Where the dispatcher believes that CloudMsg is.
    pub cloudmsg_url: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        let config = Config { listen: Listen::local(0), metrics_listen: Listen::local(0), ..Config::default() };
        Self { config, organizations: Vec::new(), cloudmsg_url: None }
    }
}

/// A dispatcher, its vendors and its config-service.
pub struct World {
    pub vendors: Vendors,
    pub config: ConfigService,
    pub clock: ManualClock,
    settings: Config,
    registry: Registry,
    process: Process,
    started: Started,
    /// Of the scripted config-service, which outlives dispatchers.
    outside: Lifecycle,
    /// Gone with the world.
    _folder: TempDir,
}

impl World {
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// The usual world with some settings changed.
    pub async fn configured(change: impl FnOnce(&mut Config)) -> Self {
        let mut setup = Setup::default();
        change(&mut setup.config);
        Self::with(setup).await
    }

    pub async fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens_file = write_tokens(&folder);
        let clock = ManualClock::at(NOON.parse::<DateTime<Utc>>().unwrap());
        let vendors = Vendors(VendorSim::start(switchboard_vendor_sim::Config::on_free_ports()).await.unwrap());
        // Vendors check how old a signature is.
        let ahead = (clock.now() - SystemClock.now()).num_milliseconds();
        for vendor in [vendors.cloudmsg(), vendors.sendtalk()] {
            let settings = switchboard_vendor_sim::Settings { clock_offset_ms: ahead, ..vendor.settings() };
            vendor.set_settings(settings).unwrap();
        }
        let outside = Lifecycle::new();
        let mut organizations = vec![
            organization("default", vec![cloudmsg(&CLOUDMSG_DEFAULT)]),
            organization("hanbit", vec![cloudmsg(&CLOUDMSG_HANBIT), sendtalk(&SENDTALK_HANBIT)]),
            organization("narae", vec![sendtalk(&SENDTALK_NARAE)]),
        ];
        organizations.extend(setup.organizations);
        let config = ConfigService::start(organizations, &outside).await;
        let address = |url: String| VendorSettings { base_url: url, ..VendorSettings::default() };
        let cloudmsg_url = setup.cloudmsg_url.unwrap_or_else(|| vendors.0.cloudmsg_url());
        let settings = BTreeMap::from([
            ("cloudmsg".to_owned(), address(cloudmsg_url)),
            ("sendtalk".to_owned(), address(vendors.0.sendtalk_url())),
        ]);
        let registry = Registry::new(&settings).unwrap();
        let settings = Config { config_service_url: config.url(), ..setup.config };
        let process = Process {
            data_dir: folder.path().to_owned(),
            auth: AuthConfig { tokens_file: Some(tokens_file), ..AuthConfig::default() },
            tls: TlsConfig::default(),
            redis_url: None,
            clock: clock.shared(),
            ids: Ids::new(),
            lifecycle: Lifecycle::new(),
        };
        let started = switchboard_dispatcher::start(settings.clone(), registry.clone(), &process).await.unwrap();
        let world = Self { vendors, config, clock, settings, registry, process, started, outside, _folder: folder };
        world.config.applied(world.config.revision()).await;
        world
    }

    /// Kills the dispatcher where it stands and starts another on the same data.
    pub async fn restart(&mut self) {
        self.process.lifecycle.stop_now();
        let _ = self.process.lifecycle.shutdown().await;
        self.process = Process { lifecycle: Lifecycle::new(), ..self.process.clone() };
        let subscriptions = self.config.subscriptions();
        let (settings, registry) = (self.settings.clone(), self.registry.clone());
        self.started = switchboard_dispatcher::start(settings, registry, &self.process).await.unwrap();
        eventually("the new dispatcher subscribes", async || {
            (self.config.subscriptions() > subscriptions).then_some(())
        })
        .await;
        self.ready().await;
    }

    /// Makes every change of a stored message fail, as a full disk would.
    pub async fn break_updates(&self) {
        let sql = "CREATE TRIGGER broken BEFORE UPDATE ON messages BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
        sqlx::query(sql).execute(&self.history().await).await.unwrap();
    }

    /// Ends that.
    pub async fn mend_updates(&self) {
        sqlx::query("DROP TRIGGER broken").execute(&self.history().await).await.unwrap();
    }

    /// The history, past the dispatcher.
    async fn history(&self) -> SqlitePool {
        let options = SqliteConnectOptions::new().filename(self.process.data_dir.join("dispatcher.db"));
        SqlitePool::connect_with(options.busy_timeout(Duration::from_secs(10))).await.unwrap()
    }

    /// Waits until the dispatcher says that it can do its job.
    pub async fn ready(&self) {
        eventually("the dispatcher is ready", async || (self.http("/readyz").await.0 == 200).then_some(())).await;
    }

    /// Asks the metrics and health port.
    pub async fn http(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.started.metrics_address);
        let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// A channel that shows the token of an entry of the tokens file.
    pub fn channel(&self, name: &str) -> AuthorizedChannel {
        self.channel_with(&token(name))
    }

    /// A channel that shows a token.
    pub fn channel_with(&self, token: &str) -> AuthorizedChannel {
        client::channel(&self.url(), token.to_owned().into()).unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.started.address)
    }

    /// An internal service that sends.
    pub fn sender(&self) -> Sender {
        self.caller("sender")
    }

    pub fn caller(&self, name: &str) -> Sender {
        Sender::new(self.channel(name))
    }

    pub fn gateway(&self) -> Gateway {
        Gateway::new(self.channel("webhook-gateway"))
    }

    /// Moves the dispatcher's clock and the vendors' alike.
    pub fn advance(&self, step: TimeDelta) {
        self.clock.advance(step);
        for vendor in [self.vendors.cloudmsg(), self.vendors.sendtalk()] {
            let mut settings = vendor.settings();
            settings.clock_offset_ms += step.num_milliseconds();
            vendor.set_settings(settings).unwrap();
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.process.lifecycle.stop_now();
        self.outside.stop_now();
    }
}

/// The entries of the tokens file: one for each role, and a sender for one organisation alone.
const ENTRIES: [(&str, &str, &str); 8] = [
    ("sender", "SENDER", ""),
    ("sender-of-hanbit", "SENDER", "hanbit"),
    ("viewer", "VIEWER", ""),
    ("operator", "OPERATOR", ""),
    ("superadmin", "SUPERADMIN", ""),
    ("auditor", "AUDITOR", ""),
    ("dispatcher", "DISPATCHER", ""),
    ("webhook-gateway", "WEBHOOK_GATEWAY", ""),
];

fn token(name: &str) -> String {
    format!("{name}-token-0123456789abcdef")
}

fn write_tokens(folder: &TempDir) -> PathBuf {
    let entry = |(name, role, organization): (&str, &str, &str)| {
        let mut entry = serde_json::json!({ "token": token(name), "roles": [role] });
        if !organization.is_empty() {
            entry["organizations"] = serde_json::json!([organization]);
        }
        (name.to_owned(), entry)
    };
    let tokens: serde_json::Map<_, _> = ENTRIES.map(entry).into_iter().collect();
    let path = folder.path().join("tokens.json");
    let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path).unwrap();
    file.write_all(serde_json::Value::Object(tokens).to_string().as_bytes()).unwrap();
    path
}
