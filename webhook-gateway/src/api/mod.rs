//! HTTP in: `POST /webhook/{provider}`, `GET /healthz`, `GET /readyz`.

mod callback;
mod convert;
mod holders;
mod rejection;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::{HeaderMap, StatusCode};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use switchboard_providers::Registry;
use switchboard_runtime::{
    SharedClock,
    accept::Door,
    http::{self, Readiness},
    lifecycle::Lifecycle,
    watch_client::WatchStatus,
};
use tokio::sync::Semaphore;

use crate::{Config, reporter::Reporter, secrets::Secrets};
use rejection::Rejection;

/// What every callback is handled with.
pub(crate) struct Gateway {
    registry: Registry,
    secrets: Arc<Secrets>,
    watch: Arc<WatchStatus>,
    reporter: Reporter,
    clock: SharedClock,
    under_way: Semaphore,
    body_timeout: Duration,
    retry_after: Duration,
}

impl Gateway {
    pub(crate) fn new(
        config: &Config,
        registry: Registry,
        secrets: Arc<Secrets>,
        watch: Arc<WatchStatus>,
        reporter: Reporter,
        clock: SharedClock,
    ) -> Arc<Self> {
        Arc::new(Self {
            registry,
            secrets,
            watch,
            reporter,
            clock,
            under_way: Semaphore::new(config.max_callbacks),
            body_timeout: config.body_timeout,
            retry_after: config.retry_after,
        })
    }
}

/// Serves until the process drains and the callbacks under way have their answers.
pub(crate) async fn serve(
    door: Door,
    gateway: Arc<Gateway>,
    readiness: Readiness,
    lifecycle: Lifecycle,
) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/webhook/{provider}", post(webhook))
        .with_state(gateway)
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(readiness);
    tracing::info!(?door, "webhook gateway listens");
    let stopped = lifecycle.stopped();
    tokio::select! {
        () = http::serve(door, router, lifecycle.draining()) => Ok(()),
        () = stopped.cancelled() => Ok(()),
    }
}

async fn webhook(
    State(gateway): State<Arc<Gateway>>,
    Path(provider): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let began = Instant::now();
    let Some(vendor) = gateway.registry.get(&provider) else {
        return answer("unknown", began, Err(Rejection::UnknownProvider), &gateway);
    };
    let result = callback::take(&gateway, vendor.as_ref(), &headers, body).await;
    answer(vendor.descriptor().code, began, result, &gateway)
}

fn answer(provider: &'static str, began: Instant, result: Result<(), Rejection>, gateway: &Gateway) -> Response {
    let outcome = result.as_ref().map_or_else(Rejection::name, |()| "accepted");
    metrics::counter!("switchboard_webhooks_total", "provider" => provider, "outcome" => outcome).increment(1);
    metrics::histogram!("switchboard_webhook_seconds", "provider" => provider).record(began.elapsed().as_secs_f64());
    match result {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(rejection) => {
            tracing::warn!(provider, outcome, error = %rejection, "callback not taken");
            rejection.into_response(gateway.retry_after)
        }
    }
}

/// Whether it can do its job; why not is told on the operational port alone.
async fn readyz(State(readiness): State<Readiness>) -> Response {
    if readiness.is_ready() {
        (StatusCode::OK, "ready\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}
