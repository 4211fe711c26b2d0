//! What the tests share: a running service, its callers, the vendors, and credentials for them.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use secrecy::SecretString;
use switchboard_config_service::{Config, sealing::KeyRing};
use switchboard_proto::config::v1::{
    config_admin_service_client::ConfigAdminServiceClient, config_watch_service_client::ConfigWatchServiceClient,
};
use switchboard_providers::{Registry, VendorSettings};
use switchboard_runtime::{
    Ids, Lifecycle, SystemClock,
    config::{AuthConfig, Listen, TlsConfig},
    grpc::client::{self, AuthorizedChannel},
    process::{Process, Started},
};
use switchboard_vendor_sim::{VendorSim, demo};
use tempfile::TempDir;

/// Within this everything that the tests wait for has happened, also on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

/// The callers of the tests: name, roles, organisations that they are limited to.
const CALLERS: [(&str, &str, Option<&str>); 10] = [
    ("viewer", "VIEWER", None),
    ("operator", "OPERATOR", None),
    ("superadmin", "SUPERADMIN", None),
    ("auditor", "AUDITOR", None),
    ("sender", "SENDER", None),
    ("dispatcher", "DISPATCHER", None),
    ("webhook-gateway", "WEBHOOK_GATEWAY", None),
    ("operator-of-acme", "OPERATOR", Some("acme")),
    ("auditor-of-acme", "AUDITOR", Some("acme")),
    ("dispatcher-of-acme", "DISPATCHER", Some("acme")),
];

pub type AdminClient = ConfigAdminServiceClient<AuthorizedChannel>;
pub type WatchClient = ConfigWatchServiceClient<AuthorizedChannel>;

/// A running config-service with simulated vendors.
pub struct Service {
    pub folder: Arc<TempDir>,
    pub vendors: Option<VendorSim>,
    pub lifecycle: Lifecycle,
    pub started: Started,
}

/// Settings with free ports and short times.
pub fn config() -> Config {
    Config {
        listen: Listen::local(0),
        metrics_listen: Listen::local(0),
        heartbeat_interval: Duration::from_millis(100),
        poll_interval: Duration::from_millis(50),
        connection_test_timeout: Duration::from_millis(400),
        ..Config::default()
    }
}

pub fn token(name: &str) -> String {
    format!("token-of-{name}")
}

fn write_tokens(path: &Path) {
    let entries: serde_json::Map<_, _> = CALLERS
        .iter()
        .map(|(name, roles, within)| {
            let mut entry = serde_json::json!({"token": token(name), "roles": [roles]});
            if let Some(within) = within {
                entry["organizations"] = serde_json::json!([within]);
            }
            ((*name).to_owned(), entry)
        })
        .collect();
    let json = serde_json::to_vec(&entries).unwrap();
    switchboard_runtime::private_file::create(path, &json).unwrap();
}

/// A folder with tokens and a key ring, ready to start in.
pub fn folder() -> Arc<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    write_tokens(&folder.path().join("tokens.json"));
    KeyRing::generate(&folder.path().join("keys.json"), chrono::DateTime::UNIX_EPOCH).unwrap();
    Arc::new(folder)
}

/// The process that a service of this folder runs in.
pub fn process(folder: &Path, lifecycle: &Lifecycle) -> Process {
    Process {
        data_dir: folder.to_owned(),
        auth: AuthConfig { tokens_file: Some(folder.join("tokens.json")), ..AuthConfig::default() },
        tls: TlsConfig::default(),
        redis_url: None,
        clock: SystemClock::shared(),
        ids: Ids::new(),
        lifecycle: lifecycle.clone(),
    }
}

/// The Redis of the tests.
pub fn redis() -> String {
    const REDIS: &str = "SWITCHBOARD_TEST_REDIS_URL";
    std::env::var(REDIS)
        .unwrap_or_else(|_| panic!("{REDIS} is not set: run `make test`, which starts PostgreSQL and Redis"))
}

pub async fn vendors() -> VendorSim {
    let listen = ([127, 0, 0, 1], 0).into();
    let config =
        switchboard_vendor_sim::Config { cloudmsg_listen: listen, sendtalk_listen: listen, seed_accounts: true };
    VendorSim::start(config).await.unwrap()
}

/// The vendors at these addresses.
pub fn registry(cloudmsg: &str, sendtalk: &str) -> Registry {
    switchboard_runtime::tls::install_crypto();
    let settings = |base_url: &str| VendorSettings { base_url: base_url.to_owned(), ..VendorSettings::default() };
    let settings = [("cloudmsg".to_owned(), settings(cloudmsg)), ("sendtalk".to_owned(), settings(sendtalk))];
    Registry::new(&BTreeMap::from(settings)).unwrap()
}

impl Service {
    pub async fn start() -> Self {
        Self::start_with(config(), folder()).await
    }

    pub async fn start_with(config: Config, folder: Arc<TempDir>) -> Self {
        let vendors = vendors().await;
        let registry = registry(&vendors.cloudmsg_url(), &vendors.sendtalk_url());
        let mut service = Self::start_over(config, registry, folder).await;
        service.vendors = Some(vendors);
        service
    }

    pub async fn start_over(config: Config, registry: Registry, folder: Arc<TempDir>) -> Self {
        Self::start_beside(config, registry, folder, None).await
    }

    pub async fn start_beside(
        config: Config,
        registry: Registry,
        folder: Arc<TempDir>,
        redis_url: Option<String>,
    ) -> Self {
        let lifecycle = Lifecycle::with_grace(Duration::from_secs(5));
        let process = Process { redis_url, ..process(folder.path(), &lifecycle) };
        let started = switchboard_config_service::start(config, registry, &process).await.unwrap();
        Self { folder, vendors: None, lifecycle, started }
    }

    fn channel(&self, caller: &str) -> AuthorizedChannel {
        let url = format!("http://{}", self.started.address);
        client::channel(&url, SecretString::from(token(caller))).unwrap()
    }

    /// The admin API as this caller.
    pub fn admin(&self, caller: &str) -> AdminClient {
        ConfigAdminServiceClient::new(self.channel(caller))
    }

    /// The watch as this caller.
    pub fn watch(&self, caller: &str) -> WatchClient {
        ConfigWatchServiceClient::new(self.channel(caller))
    }

    pub fn vendors(&self) -> &VendorSim {
        self.vendors.as_ref().unwrap()
    }

    /// The whole answer of `/readyz`.
    pub async fn readiness(&self) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut connection = tokio::net::TcpStream::connect(self.started.metrics_address).await.unwrap();
        connection.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer.replacen("HTTP/1.0", "HTTP/1.1", 1)
    }

    /// Ends the service in order.
    pub async fn stop(self) {
        self.lifecycle.shutdown().await.unwrap();
        if let Some(vendors) = self.vendors {
            vendors.shutdown().await;
        }
    }
}

pub fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> std::collections::HashMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Credentials that the simulated CloudMsg takes.
pub fn cloudmsg() -> std::collections::HashMap<String, String> {
    let account = demo::CLOUDMSG_HANBIT;
    pairs([
        ("service_id", account.service_id),
        ("access_key", account.access_key),
        ("secret_key", account.secret_key),
        ("callback_secret", account.callback_secret),
        ("channel_id", account.channel_id),
        ("default_sender", account.default_sender),
    ])
}

/// Credentials that the simulated SendTalk takes.
pub fn sendtalk() -> std::collections::HashMap<String, String> {
    let account = demo::SENDTALK_HANBIT;
    pairs([
        ("account_id", account.account_id),
        ("api_key", account.api_key),
        ("webhook_secret", account.webhook_secret),
        ("sender_profile_key", account.sender_profile_key),
        ("default_sender", account.default_sender),
    ])
}

/// Asks again and again until it is so.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = tokio::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The reason, code and Korean sentence of an error.
pub fn refusal(status: &tonic::Status) -> (tonic::Code, String) {
    (status.code(), switchboard_runtime::error::reason_of(status).unwrap_or_default())
}
