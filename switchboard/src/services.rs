//! One service in this process, until a signal.

use std::pin::pin;

use anyhow::Context as _;
use switchboard_providers::Registry;
use switchboard_runtime::{
    SystemClock, config,
    lifecycle::{Lifecycle, Signals},
    process::Started,
    telemetry,
    tls::{self, Tls},
    trace,
};
use switchboard_vendor_sim::VendorSim;

use crate::{
    output,
    settings::{Flags, Settings},
};

/// A service that can run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Organisations, credentials, routing, audit trail, the watch.
    Configuration,
    /// Sends and keeps the history.
    Dispatcher,
    /// Takes the vendors' callbacks.
    Gateway,
}

impl Service {
    /// What it is called in traces.
    fn name(self) -> &'static str {
        match self {
            Self::Configuration => "switchboard-config-service",
            Self::Dispatcher => "switchboard-dispatcher",
            Self::Gateway => "switchboard-webhook-gateway",
        }
    }
}

/// Starts one of the services with these settings.
///
/// # Errors
/// One sentence for the operator.
pub async fn start(service: Service, settings: &Settings, lifecycle: &Lifecycle) -> anyhow::Result<Started> {
    let (mut process, registry) = (settings.process(lifecycle), Registry::new(&settings.providers)?);
    process.redis_url = config::url("redis_url", settings.redis_url.as_deref(), settings.redis_url_file.as_deref())?;
    match service {
        Service::Configuration => {
            switchboard_config_service::start(settings.config_service.clone(), registry, &process).await
        }
        Service::Dispatcher => switchboard_dispatcher::start(settings.dispatcher.clone(), registry, &process).await,
        Service::Gateway => {
            switchboard_webhook_gateway::start(settings.webhook_gateway.clone(), registry, &process).await
        }
    }
}

/// Runs one service until a signal, or until it fails.
///
/// # Errors
/// Why it could not start, or what has failed.
pub async fn run(service: Service, flags: &Flags) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let settings = Settings::load(flags, &[])?;
    prepare(&settings)?;
    let lifecycle = Lifecycle::new();
    trace(&settings, service.name(), &lifecycle)?;
    until_signal(signals, &lifecycle, start(service, &settings, &lifecycle)).await.map(|_| ())
}

/// Starts something and runs until a signal, or until it fails; returns what was started, for what must end last. A
/// signal also ends a start that takes long.
pub(crate) async fn until_signal<T>(
    signals: Signals,
    lifecycle: &Lifecycle,
    start: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<Option<T>> {
    let mut ended = pin!(lifecycle.run_until_signal(signals));
    let started = tokio::select! {
        ended = &mut ended => return ended.map(|()| None),
        started = start => started,
    };
    match started {
        Ok(started) => ended.await.map(|()| Some(started)),
        Err(error) => {
            lifecycle.stop_now();
            Err(error)
        }
    }
}

/// What every process that serves needs before anything else.
pub(crate) fn prepare(settings: &Settings) -> anyhow::Result<()> {
    telemetry::init(&settings.log)?;
    tls::install_crypto();
    Ok(())
}

/// Begins to trace, if the settings say so.
pub(crate) fn trace(settings: &Settings, name: &'static str, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    if settings.telemetry.otlp_endpoint.is_none() {
        return Ok(());
    }
    let clock = SystemClock::shared();
    let tls = Tls::start(&settings.tls, &clock, lifecycle)?;
    trace::start(&settings.telemetry, name, &tls.client, &clock, lifecycle)
}

/// Runs the simulated vendors until a signal. Their callbacks go to `webhooks`, the address of a gateway.
///
/// # Errors
/// When an address is taken.
pub async fn run_vendors(flags: &Flags, webhooks: Option<&str>) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let settings = Settings::load(flags, &[])?;
    prepare(&settings)?;
    let lifecycle = Lifecycle::new();
    let started = until_signal(signals, &lifecycle, begin_vendors(&settings, webhooks)).await?;
    if let Some(vendors) = started {
        vendors.shutdown().await;
    }
    Ok(())
}

async fn begin_vendors(settings: &Settings, webhooks: Option<&str>) -> anyhow::Result<VendorSim> {
    let sim = start_vendors(settings).await?;
    if let Some(url) = webhooks {
        send_callbacks_to(&sim, url)?;
    }
    output::line(format_args!("CloudMsg  {}\nSendTalk  {}", sim.cloudmsg_url(), sim.sendtalk_url()))?;
    Ok(sim)
}

pub(crate) async fn start_vendors(settings: &Settings) -> anyhow::Result<VendorSim> {
    let config = settings.vendor_sim.clone();
    let (cloudmsg, sendtalk) = (config.cloudmsg_listen, config.sendtalk_listen);
    VendorSim::start(config).await.with_context(|| {
        format!(
            "the simulated vendors cannot listen on {cloudmsg} (setting vendor_sim.cloudmsg_listen) and {sendtalk} \
             (setting vendor_sim.sendtalk_listen); stop the program that uses them, or set other addresses"
        )
    })
}

/// Registers a gateway's address with every seeded account.
pub(crate) fn send_callbacks_to(sim: &VendorSim, gateway: &str) -> anyhow::Result<()> {
    let gateway = gateway.trim_end_matches('/');
    let ids = |accounts: Vec<serde_json::Value>, key: &str| -> Vec<String> {
        accounts.iter().filter_map(|account| account.get(key)?.as_str().map(str::to_owned)).collect()
    };
    for id in ids(sim.cloudmsg().accounts(), "service_id") {
        let url = format!("{gateway}/webhook/cloudmsg");
        sim.cloudmsg().set_callback_url(&id, Some(&url)).map_err(anyhow::Error::msg)?;
    }
    for id in ids(sim.sendtalk().accounts(), "account_id") {
        let url = format!("{gateway}/webhook/sendtalk");
        sim.sendtalk().set_callback_url(&id, Some(&url)).map_err(anyhow::Error::msg)?;
    }
    Ok(())
}
