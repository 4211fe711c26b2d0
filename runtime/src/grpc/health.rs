//! `grpc.health.v1` follows the readiness of the process.

use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::http::Readiness;
use crate::lifecycle::Lifecycle;

/// Reports readiness for the whole server (`""`) and for each of `services`, until the process drains.
pub(super) async fn follow(
    mut reporter: HealthReporter,
    services: Vec<&'static str>,
    readiness: Readiness,
    lifecycle: Lifecycle,
) {
    let names: Vec<&str> = std::iter::once("").chain(services).collect();
    let draining = lifecycle.draining();
    let mut ready = readiness.watch();
    loop {
        let serving = *ready.borrow_and_update() && !draining.is_cancelled();
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in &names {
            reporter.set_service_status(name, status).await;
        }
        tokio::select! {
            () = draining.cancelled() => break,
            changed = ready.changed() => if changed.is_err() { break },
        }
    }
    draining.cancelled().await;
    for name in &names {
        reporter.set_service_status(name, ServingStatus::NotServing).await;
        // Ends the streams of those who watch, which would otherwise hold their connection open.
        reporter.clear_service_status(name).await;
    }
}
