//! The services and the vendors, started in the order in which they need each other's addresses.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context as _;
use secrecy::SecretString;
use switchboard_config_service::sealing::KeyRing;
use switchboard_dispatcher::SnapshotKey;
use switchboard_proto::config::v1::GetPropagationRequest;
use switchboard_runtime::{
    Clock as _, SystemClock,
    auth::{TokenFile, Tokens},
    grpc::{AuthorizedChannel, client},
    lifecycle::Lifecycle,
    process::Started,
    tls::Tls,
};
use switchboard_vendor_sim::VendorSim;
use tokio::time::{sleep, timeout};

use crate::{
    client::{Admin, Messages, refused, request},
    services::{Service, send_callbacks_to, start, start_vendors},
    settings::Settings,
};

/// How long the services may take to find each other.
const MEETING: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Everything, running.
pub(crate) struct Stack {
    pub(crate) settings: Settings,
    pub(crate) config_service: Started,
    pub(crate) dispatcher: Started,
    pub(crate) gateway: Started,
    pub(crate) vendors: VendorSim,
    /// Vendors that the settings put elsewhere than in this process.
    pub(crate) elsewhere: BTreeSet<String>,
    tokens: TokenFile,
    lifecycle: Lifecycle,
}

impl Stack {
    /// Starts everything and waits until the services know each other.
    pub(crate) async fn start(mut settings: Settings, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let tokens_file = settings.tokens_file();
        Tokens::generate_file(&tokens_file)?;
        let tokens = TokenFile::read(&tokens_file)?;
        let key_file = settings.config_service.key_file(&settings.data_dir);
        KeyRing::generate(&key_file, SystemClock.now())?;
        SnapshotKey::generate(&settings.dispatcher.snapshot_key_file(&settings.data_dir))?;

        let vendors = start_vendors(&settings).await?;
        let elsewhere = settings.providers.iter().filter(|(_, vendor)| !vendor.base_url.is_empty());
        let elsewhere: BTreeSet<String> = elsewhere.map(|(code, _)| code.clone()).collect();
        for (code, url) in [("cloudmsg", vendors.cloudmsg_url()), ("sendtalk", vendors.sendtalk_url())] {
            if !elsewhere.contains(code) {
                settings.providers.entry(code.to_owned()).or_default().base_url = url;
            }
        }

        let config_service = start(Service::Configuration, &settings, lifecycle).await?;
        settings.dispatcher.config_service_url = settings.grpc_url(config_service.address);
        settings.webhook_gateway.config_service_url = settings.grpc_url(config_service.address);
        let dispatcher = start(Service::Dispatcher, &settings, lifecycle).await?;
        settings.webhook_gateway.dispatcher_url = settings.grpc_url(dispatcher.address);
        let gateway = start(Service::Gateway, &settings, lifecycle).await?;
        send_callbacks_to(&vendors, &settings.webhook_url(gateway.address))?;

        let stack = Self {
            settings,
            config_service,
            dispatcher,
            gateway,
            vendors,
            elsewhere,
            tokens,
            lifecycle: lifecycle.clone(),
        };
        stack.in_step().await?;
        Ok(stack)
    }

    /// Waits until the dispatcher and the gateway have applied everything there is.
    pub(crate) async fn in_step(&self) -> anyhow::Result<()> {
        let mut admin = self.admin()?;
        let meeting = async {
            loop {
                let call = request(GetPropagationRequest { revision: 0 });
                let nodes = admin.get_propagation(call).await.map_err(refused)?.into_inner().nodes;
                let applied = |kind: &str| nodes.iter().any(|node| node.kind == kind && node.applied);
                if applied("dispatcher") && applied("webhook-gateway") {
                    return Ok(());
                }
                if self.lifecycle.is_draining() {
                    anyhow::bail!("the services are stopping");
                }
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(MEETING, meeting).await.context("the dispatcher and the webhook gateway did not subscribe in time")?
    }

    /// A client of config-service that may do everything.
    pub(crate) fn admin(&self) -> anyhow::Result<Admin> {
        let token = self.tokens.token_of("superadmin")?;
        Ok(Admin::new(self.channel(self.config_service.address, token)?))
    }

    /// A client of the dispatcher that sends.
    pub(crate) fn messages(&self) -> anyhow::Result<Messages> {
        let token: SecretString = self.tokens.token_of("sender")?;
        Ok(Messages::new(self.channel(self.dispatcher.address, token)?))
    }

    fn channel(&self, address: SocketAddr, token: SecretString) -> anyhow::Result<AuthorizedChannel> {
        let tls = Tls::once(&self.settings.tls)?;
        Ok(client::channel_over(&self.settings.grpc_url(address), token, &tls.client)?)
    }

    pub(crate) fn tokens_file(&self) -> PathBuf {
        self.settings.tokens_file()
    }
}
