//! `GET /healthz`, `/readyz`, `/metrics`.

use std::collections::BTreeMap;
use std::time::Duration;

use ::http::{StatusCode, header};
use anyhow::Context as _;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;
use tracing::info;

use super::Readiness;
use super::readiness::CheckState;
use super::serve as serve_connections;
use crate::accept::Door;
use crate::lifecycle::Lifecycle;
use crate::telemetry::PrometheusHandle;

/// How often histograms are folded together, whether or not anybody scrapes: their samples take memory until then.
const UPKEEP: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Process {
    readiness: Readiness,
    metrics: PrometheusHandle,
    lifecycle: Lifecycle,
}

#[derive(Serialize)]
struct ReadinessReport {
    ready: bool,
    checks: BTreeMap<String, CheckState>,
}

/// Serves on `listener` until everything else in the process has finished, so that a draining process can still be
/// asked how it is.
pub fn start(listener: TcpListener, readiness: Readiness, metrics: PrometheusHandle, lifecycle: &Lifecycle) {
    let process = Process { readiness, metrics, lifecycle: lifecycle.clone() };
    lifecycle.spawn_attendant("operational HTTP server", serve(listener, process));
}

async fn serve(listener: TcpListener, process: Process) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listening socket has no address")?;
    let stopped = process.lifecycle.stopped();
    let upkeep = upkeep(process.metrics.clone());
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(process);
    info!(%address, "operational HTTP server listens");
    // Not graceful: at this point nobody waits for an answer that matters, and an idle scraper must not hold the end up.
    tokio::select! {
        () = serve_connections(Door::new("operational", listener, None), router, stopped.clone()) => Ok(()),
        () = upkeep => Ok(()),
        () = stopped.cancelled() => Ok(()),
    }
}

async fn upkeep(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

async fn readyz(State(process): State<Process>) -> impl IntoResponse {
    let mut checks = process.readiness.states();
    let draining = process.lifecycle.is_draining();
    if draining {
        let state = CheckState::NotReady("draining".to_owned());
        checks.insert("lifecycle".to_owned(), state);
    }
    let ready = process.readiness.is_ready() && !draining;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ReadinessReport { ready, checks }))
}

async fn metrics(State(process): State<Process>) -> impl IntoResponse {
    let version = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (version, process.metrics.render())
}
