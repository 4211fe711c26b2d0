//! Spans on their way to the collector. What it does not take in time is dropped and counted: tracing never slows a send.

use std::time::Duration;

use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::mpsc::{self, Receiver, Sender};

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
        let stopped = lifecycle.stopped();
        lifecycle.spawn_attendant("traces", async move {
            let mut courier = Courier { exporter, spans };
            tokio::select! {
                () = courier.run() => {}
                () = stopped.cancelled() => {
                    // An error means that the collector is too slow for a process that ends.
                    let _ = tokio::time::timeout(LAST, courier.rest()).await;
                }
            }
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
}

impl Courier {
    async fn run(&mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.spans.recv_many(&mut batch, BATCH).await > 0 {
            if batch.len() < BATCH {
                tokio::time::sleep(GATHER).await;
                while batch.len() < BATCH
                    && let Ok(span) = self.spans.try_recv()
                {
                    batch.push(span);
                }
            }
            self.hand_on(std::mem::take(&mut batch)).await;
        }
    }

    async fn rest(&mut self) {
        let mut batch = Vec::new();
        while let Ok(span) = self.spans.try_recv() {
            batch.push(span);
        }
        if !batch.is_empty() {
            self.hand_on(batch).await;
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
