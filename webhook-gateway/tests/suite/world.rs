//! A gateway with everything around it.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use prost_types::Timestamp;
use reqwest::StatusCode;
use switchboard_proto::config::v1::{OrganizationEntry, ProviderAccount, WebhookSecret};
use switchboard_providers::Registry;
use switchboard_runtime::{
    Ids, Lifecycle, ManualClock,
    config::{AuthConfig, Listen, TlsConfig},
    process::Process,
    tls::install_crypto,
    watch_client::WatchSettings,
};
use switchboard_webhook_gateway as gateway;

use crate::{
    peers::{self, Dispatcher, Peer},
    vendors::Callback,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// The gateway, the services it knows, and the time.
pub(crate) struct World {
    pub(crate) config: peers::Config,
    pub(crate) config_service: Option<Peer>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) dispatcher_peer: Option<Peer>,
    pub(crate) clock: ManualClock,
    pub(crate) http: reqwest::Client,
    pub(crate) gateway: SocketAddr,
    scheme: &'static str,
    lifecycle: Lifecycle,
}

impl World {
    /// Organisations `a` and `b` share CloudMsg's `svc-1`, each with its own secret; `a` has SendTalk's `acct_1` too.
    pub(crate) async fn start() -> Self {
        Self::with(gateway::Config::default()).await
    }

    /// The usual organisations, with these settings.
    pub(crate) async fn with(config: gateway::Config) -> Self {
        let world = Self::build(config, TlsConfig::default(), true).await;
        world.until_ready().await;
        world
    }

    /// Nobody listens where config-service should be.
    pub(crate) async fn without_config_service() -> Self {
        Self::build(gateway::Config::default(), TlsConfig::default(), false).await
    }

    /// Vendors call over TLS; `authority` is what they believe, in PEM.
    pub(crate) async fn over_tls(tls: TlsConfig, authority: &str) -> Self {
        let mut world = Self::build(gateway::Config::default(), tls, true).await;
        let authority = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
        world.http = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        world.scheme = "https";
        world.until_ready().await;
        world
    }

    async fn build(config: gateway::Config, tls: TlsConfig, config_service_is_up: bool) -> Self {
        install_crypto();
        let (peer_config, dispatcher) = (peers::Config::default(), Dispatcher::new());
        peer_config.know(usual_entries());
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let config_service = peer_config.start(free).await;
        let config_service_address = config_service.address;
        let config_service = config_service_is_up.then_some(config_service);
        let dispatcher_peer = dispatcher.start(free).await;
        let (clock, lifecycle) = (ManualClock::at(noon()), Lifecycle::new());
        let process = Process {
            data_dir: std::env::temp_dir(),
            auth: AuthConfig::default(),
            tls,
            redis_url: None,
            clock: clock.shared(),
            ids: Ids::new(),
            lifecycle: lifecycle.clone(),
        };
        let config = gateway::Config {
            listen: Listen::local(0),
            metrics_listen: Listen::local(0),
            config_service_url: format!("http://{config_service_address}"),
            dispatcher_url: format!("http://{}", dispatcher_peer.address),
            token: Some("token".into()),
            watch: WatchSettings {
                reconnect_min: Duration::from_millis(1),
                reconnect_max: Duration::from_millis(20),
                heartbeat_interval: Duration::from_secs(60),
            },
            ..config
        };
        let registry = Registry::new(&BTreeMap::new()).unwrap();
        let started = gateway::start(config, registry, &process).await.unwrap();
        Self {
            config: peer_config,
            config_service,
            dispatcher,
            dispatcher_peer: Some(dispatcher_peer),
            clock,
            http: reqwest::Client::new(),
            scheme: "http",
            gateway: started.address,
            lifecycle,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.gateway)
    }

    pub(crate) async fn post(&self, callback: &Callback) -> reqwest::Response {
        let mut request = self.http.post(self.url(&format!("/webhook/{}", callback.vendor)));
        for (name, value) in &callback.headers {
            request = request.header(*name, value);
        }
        request.body(callback.body.clone()).send().await.unwrap()
    }

    pub(crate) async fn status(&self, callback: &Callback) -> StatusCode {
        self.post(callback).await.status()
    }

    pub(crate) async fn until_ready(&self) {
        until("the gateway is ready", async || {
            self.http.get(self.url("/readyz")).send().await.unwrap().status().is_success()
        })
        .await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.lifecycle.stop_now();
    }
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

pub(crate) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

/// When a secret that was replaced ends.
pub(crate) fn end_of_overlap() -> DateTime<Utc> {
    noon() + TimeDelta::hours(24)
}

/// Vendor, account, and its secrets with whether they were replaced.
type Account<'a> = (&'a str, &'a str, &'a [(&'a str, bool)]);

pub(crate) fn entry(organization: &str, accounts: &[Account<'_>]) -> OrganizationEntry {
    let accounts = accounts.iter().map(|(provider, account, secrets)| ProviderAccount {
        provider: (*provider).to_owned(),
        provider_account: (*account).to_owned(),
        webhook_secrets: secrets
            .iter()
            .map(|(secret, replaced)| WebhookSecret {
                secret: (*secret).to_owned(),
                expire_time: replaced.then(|| Timestamp { seconds: end_of_overlap().timestamp(), nanos: 0 }),
            })
            .collect(),
        ..ProviderAccount::default()
    });
    OrganizationEntry {
        organization_id: organization.to_owned(),
        accounts: accounts.collect(),
        ..OrganizationEntry::default()
    }
}

pub(crate) const SENDTALK_SECRET: &[u8] = b"sendtalk-demo-secret-32-bytes!!!";

fn usual_entries() -> Vec<OrganizationEntry> {
    let sendtalk = "whsec_c2VuZHRhbGstZGVtby1zZWNyZXQtMzItYnl0ZXMhISE=";
    vec![
        entry(
            "a",
            &[
                ("cloudmsg", "svc-1", &[("secret-of-a", false), ("old-secret-of-a", true)]),
                ("sendtalk", "acct_1", &[(sendtalk, false)]),
            ],
        ),
        entry("b", &[("cloudmsg", "svc-1", &[("secret-of-b", false)])]),
    ]
}
