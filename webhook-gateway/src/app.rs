//! Settings to running tasks.

use std::sync::Arc;

use anyhow::Context as _;
use switchboard_proto::config::v1::NodeKind;
use switchboard_providers::Registry;
use switchboard_runtime::{
    accept::Door,
    bind::bind,
    config::ConfigError,
    grpc::client,
    http::{self, Readiness},
    process::{Process, Started},
    telemetry,
    tls::Tls,
    watch_client::{self, Subscriber},
};

use crate::{Config, api, api::Gateway, reporter::Reporter, secrets::Secrets};

/// Starts the gateway: binds, subscribes, serves.
///
/// # Errors
/// One sentence for the operator: a setting that cannot be used, a port that is taken, a token that is missing.
pub async fn start(config: Config, registry: Registry, process: &Process) -> anyhow::Result<Started> {
    config.check()?;
    // Before anything makes a handle that is to count.
    let metrics = telemetry::metrics()?;
    for vendor in registry.iter() {
        // There before it first counts, so that its first step is seen.
        let provider = vendor.descriptor().code;
        for outcome in ["accepted", "unverified", "not_committed", "overloaded"] {
            metrics::counter!("switchboard_webhooks_total", "provider" => provider, "outcome" => outcome).increment(0);
        }
        metrics::counter!("switchboard_webhook_events_total", "provider" => provider, "kind" => "malformed")
            .increment(0);
    }
    let tokens_file = process.auth.tokens_file.as_deref();
    let token = config.token_source().resolve("webhook_gateway", "webhook-gateway", tokens_file)?;
    let lifecycle = &process.lifecycle;
    let tls = Tls::start(&process.tls, &process.clock, lifecycle)?;
    let config_service = client::channel_over(&config.config_service_url, token.clone(), &tls.client)
        .context(ConfigError::new("the setting webhook_gateway.config_service_url"))?;
    let dispatcher = client::channel_over(&config.dispatcher_url, token, &tls.client)
        .context(ConfigError::new("the setting webhook_gateway.dispatcher_url"))?;
    let listener = bind("the webhook gateway", "webhook_gateway.listen", config.listen.address()).await?;
    let metrics_listener =
        bind("the webhook gateway's metrics", "webhook_gateway.metrics_listen", config.metrics_listen.address())
            .await?;
    let started = Started { address: listener.local_addr()?, metrics_address: metrics_listener.local_addr()? };

    let readiness = Readiness::new();
    let secrets = Arc::new(Secrets::default());
    let node_id =
        config.node_id.clone().unwrap_or_else(|| format!("webhook-gateway-{}", process.ids.next(process.clock.now())));
    let subscriber =
        Subscriber { node_id, kind: NodeKind::WebhookGateway, settings: config.watch.clone(), max_stale: None };
    let check = readiness.register("webhook secrets");
    let watch = watch_client::spawn(subscriber, config_service, secrets.clone(), lifecycle, check);
    let reporter =
        Reporter::start(dispatcher, config.max_callbacks, config.max_reports, config.report_timeout, lifecycle);

    http::start(metrics_listener, readiness.clone(), metrics, lifecycle);
    let gateway = Gateway::new(&config, registry, secrets, watch, reporter, process.clock.clone());
    let door = Door::new("webhook-gateway", listener, tls.webhook);
    lifecycle.spawn("webhook gateway", api::serve(door, gateway, readiness, lifecycle.clone()));
    Ok(started)
}
