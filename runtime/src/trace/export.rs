//! Spans on their way to the collector. What it does not take in time is dropped and counted: tracing never slows a send.

use std::time::Duration;

use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use crate::lifecycle::Lifecycle;

/// Spans that wait at most.
const QUEUE: usize = 8_192;
/// Spans in one call.
const BATCH: usize = 512;
/// How long spans gather.
const GATHER: Duration = Duration::from_millis(200);
/// How long the last spans of a process may take.
const LAST: Duration = Duration::from_secs(2);

/// Where spans are put.
pub(super) struct Outbox {
    queue: Sender<SpanData>,
}

impl Outbox {
    /// Starts the task that hands on; it ends last of all in the process.
    pub(super) fn start(exporter: opentelemetry_otlp::SpanExporter, lifecycle: &Lifecycle) -> Self {
        let (queue, spans) = mpsc::channel(QUEUE);
        let courier = Courier { exporter, spans, stopped: lifecycle.stopped() };
        lifecycle.spawn_attendant("traces", async move {
            courier.run().await;
            Ok(())
        });
        Self { queue }
    }

    pub(super) fn put(&self, span: SpanData) {
        if self.queue.try_send(span).is_err() {
            count("dropped", 1);
        }
    }
}

struct Courier {
    exporter: opentelemetry_otlp::SpanExporter,
    spans: Receiver<SpanData>,
    stopped: CancellationToken,
}

impl Courier {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                () = self.stopped.cancelled() => {}
                _ = self.spans.recv_many(&mut batch, BATCH) => tokio::select! {
                    () = self.stopped.cancelled() => {}
                    () = tokio::time::sleep(GATHER), if batch.len() < BATCH => {}
                    () = std::future::ready(()), if batch.len() >= BATCH => {}
                },
            }
            // What is on its way when the process ends is handed on, but not waited for without end.
            let last = async {
                self.stopped.cancelled().await;
                tokio::time::sleep(LAST).await;
            };
            while let Ok(span) = self.spans.try_recv() {
                batch.push(span);
            }
            if !batch.is_empty() {
                tokio::select! {
                    () = self.hand_on(std::mem::take(&mut batch)) => {}
                    () = last => {}
                }
            }
            if self.stopped.is_cancelled() {
                return;
            }
        }
    }

    async fn hand_on(&self, batch: Vec<SpanData>) {
        let spans = batch.len() as u64;
        match self.exporter.export(batch).await {
            Ok(()) => count("exported", spans),
            Err(error) => {
                tracing::debug!(%error, spans, "the collector does not take spans");
                count("failed", spans);
            }
        }
    }
}

fn count(outcome: &'static str, spans: u64) {
    metrics::counter!("switchboard_spans_total", "outcome" => outcome).increment(spans);
}
