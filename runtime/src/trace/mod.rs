//! One trace for each message, from the call that sent it to the callback that settled it.
//!
//! The trace of a message has the message's id, without hyphens, so that every process adds to it without being told and
//! whoever has the id finds the trace. A caller that sends `traceparent` gets a span in its own trace as well; the two are
//! linked. Nothing of this goes to a vendor, and a span holds codes and names of ours alone: never a number, a text, a
//! token or a key.
//!
//! Spans are written down when they end: [`begin`] takes the time, and one of the methods of [`Begun`] says what it was.
//! While nothing is traced that costs one load from memory.

mod export;
mod identity;

use std::sync::OnceLock;
use std::time::SystemTime;

use anyhow::Context as _;
use opentelemetry::trace::{Link, SpanId, SpanKind, Status, TraceId};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use ring::rand::{SecureRandom as _, SystemRandom};
use tonic::metadata::MetadataMap;

pub use identity::Caller;

use crate::clock::SharedClock;
use crate::config::{ConfigError, TelemetryConfig};
use crate::grpc::client;
use crate::lifecycle::Lifecycle;
use crate::tls::ClientTls;
use export::Outbox;
use identity::{MessageTrace, context};

static TRACER: OnceLock<Tracer> = OnceLock::new();

struct Tracer {
    outbox: Outbox,
    ratio: f64,
    clock: SharedClock,
    random: SystemRandom,
    scope: InstrumentationScope,
}

/// Begins to trace if the settings name a collector. One of each process: a second call changes nothing. `service` is
/// the process's name in the traces.
///
/// # Errors
/// When the endpoint is no address, or the share is none; names the setting.
pub fn start(
    config: &TelemetryConfig,
    service: &'static str,
    tls: &ClientTls,
    clock: &SharedClock,
    lifecycle: &Lifecycle,
) -> anyhow::Result<()> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(()) };
    let ratio = config.sample_ratio;
    if !(0.0..=1.0).contains(&ratio) {
        let wrong = format!("the setting telemetry.sample_ratio is {ratio}; allowed: a share from 0 to 1, such as 0.1");
        return Err(ConfigError::new(wrong).into());
    }
    let endpoint_is_wrong = || ConfigError::new("the setting telemetry.otlp_endpoint");
    let channel = client::bare_channel(endpoint, tls).with_context(endpoint_is_wrong)?;
    let mut exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_channel(channel)
        .with_timeout(std::time::Duration::from_secs(5))
        .build()
        .with_context(endpoint_is_wrong)?;
    exporter.set_resource(&Resource::builder_empty().with_service_name(service).build());
    let tracer = Tracer {
        outbox: Outbox::start(exporter, lifecycle),
        ratio,
        clock: clock.clone(),
        random: SystemRandom::new(),
        scope: InstrumentationScope::builder("switchboard").with_version(env!("CARGO_PKG_VERSION")).build(),
    };
    // An error means that this process traces already.
    let _ = TRACER.set(tracer);
    Ok(())
}

/// Whether anything is traced.
#[must_use]
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// The caller's trace, when it has one and anything is traced.
#[must_use]
pub fn caller(metadata: &MetadataMap) -> Option<Caller> {
    TRACER.get()?;
    Caller::parse(metadata.get("traceparent")?.to_str().ok()?)
}

/// Something begins that may become a span.
#[must_use = "a span is written down when it ends"]
pub fn begin() -> Begun {
    Begun(TRACER.get().map(|tracer| (tracer, tracer.now())))
}

/// What a span says: codes and names of ours.
pub type Details = Vec<(&'static str, String)>;

/// What kind of work a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Ours alone.
    Inner,
    /// Somebody else was asked.
    Call,
    /// Somebody else has asked.
    Answer,
}

/// Something that has begun.
#[derive(Clone, Copy)]
pub struct Begun(Option<(&'static Tracer, SystemTime)>);

impl Begun {
    /// It was the whole of a message's sending: the span that the others are children of, and another in the trace of
    /// the caller.
    pub fn whole(
        self,
        message_id: &str,
        name: &'static str,
        caller: Option<Caller>,
        details: impl FnOnce() -> Details,
    ) {
        let Some((tracer, begun)) = self.0 else { return };
        let Some(trace) = MessageTrace::of(message_id) else { return };
        let details = attributes(details());
        let mut links = Vec::new();
        if let Some(caller) = caller.filter(|caller| caller.is_sampled()) {
            let own = tracer.span_id();
            links.push(context(caller.trace(), own));
            tracer.put(Named {
                trace: caller.trace(),
                span: own,
                parent: caller.span(),
                parent_is_remote: true,
                kind: SpanKind::Server,
                name,
                begun,
                attributes: details.clone(),
                links: vec![context(trace.trace(), trace.root())],
            });
        }
        if trace.is_sampled(tracer.ratio) {
            tracer.put(Named {
                trace: trace.trace(),
                span: trace.root(),
                parent: SpanId::INVALID,
                parent_is_remote: false,
                kind: SpanKind::Server,
                name,
                begun,
                attributes: details,
                links,
            });
        }
    }

    /// It was a part of what happened to a message.
    pub fn part(self, message_id: &str, name: &'static str, work: Work, details: impl FnOnce() -> Details) {
        let Some((tracer, begun)) = self.0 else { return };
        let Some(trace) = MessageTrace::of(message_id).filter(|trace| trace.is_sampled(tracer.ratio)) else { return };
        tracer.put(Named {
            trace: trace.trace(),
            span: tracer.span_id(),
            parent: trace.root(),
            parent_is_remote: true,
            kind: match work {
                Work::Inner => SpanKind::Internal,
                Work::Call => SpanKind::Client,
                Work::Answer => SpanKind::Server,
            },
            name,
            begun,
            attributes: attributes(details()),
            links: Vec::new(),
        });
    }
}

struct Named {
    trace: TraceId,
    span: SpanId,
    parent: SpanId,
    parent_is_remote: bool,
    kind: SpanKind,
    name: &'static str,
    begun: SystemTime,
    attributes: Vec<KeyValue>,
    links: Vec<opentelemetry::trace::SpanContext>,
}

impl Tracer {
    fn now(&self) -> SystemTime {
        self.clock.now().into()
    }

    fn span_id(&self) -> SpanId {
        let mut bytes = [0; 8];
        // Without chance there is no span; the exporter drops what has no id.
        let _ = self.random.fill(&mut bytes);
        SpanId::from_bytes(bytes)
    }

    fn put(&self, span: Named) {
        let mut links = SpanLinks::default();
        links.links = span.links.into_iter().map(|context| Link::new(context, Vec::new(), 0)).collect();
        self.outbox.put(SpanData {
            span_context: context(span.trace, span.span),
            parent_span_id: span.parent,
            parent_span_is_remote: span.parent_is_remote,
            span_kind: span.kind,
            name: span.name.into(),
            start_time: span.begun,
            end_time: self.now().max(span.begun),
            attributes: span.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        });
    }
}

fn attributes(details: Details) -> Vec<KeyValue> {
    details.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect()
}
