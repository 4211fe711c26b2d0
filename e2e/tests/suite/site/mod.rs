//! An installation of real processes: the services, each as often as a test wants it, their servers, and the balancers
//! between them. Everything can be killed, paused, cut off and started again; the vendors alone belong to the test, and
//! their journals are the truth by which it judges.

mod calls;
mod node;
mod ports;
mod postgres;
mod redis;
mod signal;
mod wire;

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use switchboard_vendor_sim::{Settings, VendorSim, demo};

use self::ports::Ports;
pub(crate) use self::{
    calls::{Admin, Caller, reason_of},
    node::Node,
    postgres::Postgres,
    redis::Redis,
    wire::{Fault, Wire},
};
use crate::program;

/// How long anything may take here, on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

const ROLES: [(&str, &str); 7] = [
    ("sender", "SENDER"),
    ("viewer", "VIEWER"),
    ("operator", "OPERATOR"),
    ("superadmin", "SUPERADMIN"),
    ("auditor", "AUDITOR"),
    ("dispatcher", "DISPATCHER"),
    ("webhook-gateway", "WEBHOOK_GATEWAY"),
];

/// The token of an entry of the tokens file.
pub(crate) fn token(name: &str) -> String {
    format!("{name}-0123456789abcdef")
}

/// How many of each, and on what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) dispatchers: usize,
    pub(crate) config_services: usize,
    pub(crate) gateways: usize,
    pub(crate) postgres: bool,
    pub(crate) redis: bool,
}

impl Plan {
    /// One of each, on embedded storage.
    pub(crate) const SMALL: Self =
        Self { dispatchers: 1, config_services: 1, gateways: 1, postgres: false, redis: false };
    /// Two of each, on PostgreSQL and Redis.
    pub(crate) const REPLICATED: Self =
        Self { dispatchers: 2, config_services: 2, gateways: 2, postgres: true, redis: true };
}

/// An installation. All of its processes end with it.
pub(crate) struct Site {
    pub(crate) vendors: VendorSim,
    pub(crate) dispatchers: Vec<Node>,
    pub(crate) config_services: Vec<Node>,
    pub(crate) gateways: Vec<Node>,
    /// Between the services and what they call; each spreads connections over what is there.
    pub(crate) wires: Wires,
    pub(crate) postgres: Option<Postgres>,
    pub(crate) redis: Option<Redis>,
    pub(crate) folder: tempfile::TempDir,
    ports: Ports,
}

/// The ways between the parts of an installation.
pub(crate) struct Wires {
    pub(crate) to_dispatchers: Wire,
    pub(crate) to_config_services: Wire,
    pub(crate) to_gateways: Wire,
    pub(crate) to_history: Option<Wire>,
    pub(crate) to_configuration: Option<Wire>,
    pub(crate) to_redis: Option<Wire>,
}

impl Site {
    /// Lays out an installation, with its servers running, and its services not. `settings` are those of every process, by
    /// their keys, besides what it takes to find one another.
    pub(crate) async fn lay_out(plan: Plan, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens: serde_json::Map<_, _> = ROLES
            .iter()
            .map(|(name, role)| ((*name).to_owned(), serde_json::json!({"token": token(name), "roles": [role]})))
            .collect();
        write_private(&folder.path().join("tokens.json"), &serde_json::Value::Object(tokens).to_string());

        let mut ports = Ports::default();
        let postgres = if plan.postgres { Some(Postgres::start(folder.path(), &mut ports).await) } else { None };
        let redis = if plan.redis { Some(Redis::start(folder.path(), &mut ports).await) } else { None };
        let mut addresses = |count: usize| -> Vec<_> { (0..count).map(|_| (ports.take(), ports.take())).collect() };
        let dispatchers = addresses(plan.dispatchers);
        let config_services = addresses(plan.config_services);
        let gateways = addresses(plan.gateways);
        let to = |nodes: &[(u16, u16)]| nodes.iter().map(|(port, _)| *port).collect();
        let database = postgres.as_ref().map(|postgres| postgres.port());
        let wires = Wires {
            to_dispatchers: Wire::to(to(&dispatchers)).await,
            to_config_services: Wire::to(to(&config_services)).await,
            to_gateways: Wire::to(to(&gateways)).await,
            to_history: Wire::to_one(database).await,
            to_configuration: Wire::to_one(database).await,
            to_redis: Wire::to_one(redis.as_ref().map(Redis::port)).await,
        };
        let vendors = VendorSim::start(switchboard_vendor_sim::Config::on_free_ports()).await.unwrap();

        let mut common: BTreeMap<String, String> = BTreeMap::new();
        let mut set = |key: &str, value: String| drop(common.insert(key.to_owned(), value));
        set("data_dir", folder.path().display().to_string());
        set("providers.cloudmsg.base_url", vendors.cloudmsg_url());
        set("providers.sendtalk.base_url", vendors.sendtalk_url());
        set("dispatcher.config_service_url", wires.to_config_services.url("http"));
        set("webhook_gateway.config_service_url", wires.to_config_services.url("http"));
        set("webhook_gateway.dispatcher_url", wires.to_dispatchers.url("http"));
        if let (Some(history), Some(configuration)) = (&wires.to_history, &wires.to_configuration) {
            set("dispatcher.database_url", format!("{}/history", history.url("postgres://postgres@")));
            set("config_service.database_url", format!("{}/configuration", configuration.url("postgres://postgres@")));
        }
        if let Some(redis) = &wires.to_redis {
            set("redis_url", redis.url("redis"));
        }
        for (key, value) in settings {
            set(key, (*value).to_owned());
        }
        let nodes = |service: &'static str, addresses: Vec<(u16, u16)>| -> Vec<Node> {
            addresses
                .into_iter()
                .enumerate()
                .map(|(index, ports)| Node::new(service, index + 1, ports, &common, folder.path()))
                .collect()
        };
        let site = Self {
            dispatchers: nodes("dispatcher", dispatchers),
            config_services: nodes("config-service", config_services),
            gateways: nodes("webhook-gateway", gateways),
            vendors,
            wires,
            postgres,
            redis,
            folder,
            ports,
        };
        site.typed(&["keys", "generate"]);
        site.typed(&["keys", "snapshot"]);
        site.direct_callbacks();
        site
    }

    /// The whole installation, running, migrated, with the organisations `default`, `hanbit` (both vendors) and `narae`.
    pub(crate) async fn start(plan: Plan, settings: &[(&str, &str)]) -> Self {
        let mut site = Self::lay_out(plan, settings).await;
        site.typed(&["migrate"]);
        for node in site.nodes_mut() {
            node.start();
        }
        site.organizations().await;
        site.all_ready().await;
        site
    }

    /// Makes the organisations, once config-service is there.
    pub(crate) async fn organizations(&self) {
        let admin = self.admin();
        for (organization, accounts) in [
            ("default", vec![("cloudmsg", cloudmsg(&demo::CLOUDMSG_DEFAULT))]),
            (
                "hanbit",
                vec![("sendtalk", sendtalk(&demo::SENDTALK_HANBIT)), ("cloudmsg", cloudmsg(&demo::CLOUDMSG_HANBIT))],
            ),
            ("narae", vec![("sendtalk", sendtalk(&demo::SENDTALK_NARAE))]),
        ] {
            admin.organization(organization).await;
            for (provider, credentials) in accounts {
                admin.account(organization, provider, credentials).await;
            }
        }
    }

    /// Waits until every process says that it can do its job.
    pub(crate) async fn all_ready(&self) {
        for node in self.nodes() {
            node.ready().await;
        }
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.config_services.iter().chain(&self.dispatchers).chain(&self.gateways)
    }

    pub(crate) fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.config_services.iter_mut().chain(&mut self.dispatchers).chain(&mut self.gateways)
    }

    /// Somebody who sends, through whichever dispatcher is there.
    pub(crate) fn sender(&self) -> Caller {
        let urls: Vec<_> = self.dispatchers.iter().map(Node::url).collect();
        Caller::new(&urls, "sender")
    }

    /// Somebody who administers.
    pub(crate) fn admin(&self) -> Admin {
        Admin::new(&self.wires.to_config_services.url("http"))
    }

    /// Types a command that must succeed.
    pub(crate) fn typed(&self, arguments: &[&str]) {
        let node = &self.config_services[0];
        let mut command = Command::new(program::path());
        command.env_clear().envs(node.variables()).envs(self.dispatchers[0].variables());
        let ended = program::run(command.args(arguments).current_dir(self.folder.path()));
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}\n{}", ended.stdout, ended.stderr);
    }

    /// Has the vendors call back, and come again soon when they have to.
    fn direct_callbacks(&self) {
        let gateway = self.wires.to_gateways.url("http");
        let settings = Settings { retry_scale: 0.002, ..Settings::default() };
        self.vendors.cloudmsg().set_settings(settings.clone()).unwrap();
        self.vendors.sendtalk().set_settings(settings).unwrap();
        for account in [demo::CLOUDMSG_DEFAULT, demo::CLOUDMSG_HANBIT] {
            let url = format!("{gateway}/webhook/cloudmsg");
            self.vendors.cloudmsg().set_callback_url(account.service_id, Some(&url)).unwrap();
        }
        for account in [demo::SENDTALK_NARAE, demo::SENDTALK_HANBIT] {
            let url = format!("{gateway}/webhook/sendtalk");
            self.vendors.sendtalk().set_callback_url(account.account_id, Some(&url)).unwrap();
        }
    }

    /// Another dispatcher, with a folder of its own.
    pub(crate) fn another_dispatcher(&mut self, changes: &[(&str, &str)]) -> Node {
        let ports = (self.ports.take(), self.ports.take());
        self.dispatchers[0].sibling(self.dispatchers.len() + 1, ports, changes, self.folder.path())
    }
}

fn cloudmsg(account: &demo::DemoCloudMsg) -> Vec<(&'static str, String)> {
    vec![
        ("service_id", account.service_id.to_owned()),
        ("access_key", account.access_key.to_owned()),
        ("secret_key", account.secret_key.to_owned()),
        ("callback_secret", account.callback_secret.to_owned()),
        ("channel_id", account.channel_id.to_owned()),
        ("default_sender", account.default_sender.to_owned()),
    ]
}

fn sendtalk(account: &demo::DemoSendTalk) -> Vec<(&'static str, String)> {
    vec![
        ("account_id", account.account_id.to_owned()),
        ("api_key", account.api_key.to_owned()),
        ("webhook_secret", account.webhook_secret.to_owned()),
        ("sender_profile_key", account.sender_profile_key.to_owned()),
        ("default_sender", account.default_sender.to_owned()),
    ]
}

/// Writes a file that its owner alone may read.
pub(crate) fn write_private(path: &Path, content: &str) {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path);
    file.unwrap().write_all(content.as_bytes()).unwrap();
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look).await
}

/// Asks again and again until there is an answer, but not for longer than this.
pub(crate) async fn within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = tokio::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < patience, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
