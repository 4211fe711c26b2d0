//! One trace for each message, linked with its caller's.
//!
//! A process traces or it does not, so all of it is one test: what is off can only be seen before it is on.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use switchboard_runtime::config::TelemetryConfig;
use switchboard_runtime::tls::ClientTls;
use switchboard_runtime::trace::{self, Work};
use switchboard_runtime::{Lifecycle, ManualClock};
use tonic::metadata::MetadataMap;

use crate::collector::Collector;

const MESSAGE: &str = "018f2d5e-7c1a-7abc-8def-0123456789ab";
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn calling(traceparent: &'static str) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    metadata.insert("traceparent", traceparent.parse().unwrap());
    metadata
}

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test]
async fn everything_about_a_message_is_in_its_trace_and_linked_with_the_callers() {
    let (lifecycle, clock) = (Lifecycle::new(), ManualClock::at(DateTime::from_timestamp(1_700_000_000, 0).unwrap()));
    // The collector outlives the process.
    let outside = Lifecycle::new();
    let (collector, endpoint) = Collector::start(&outside).await;
    let start = |config: &TelemetryConfig| {
        trace::start(config, "test", &ClientTls::default(), &clock.shared(), &lifecycle).map_err(|e| format!("{e:#}"))
    };

    // Off: nothing is read, nothing is made.
    start(&TelemetryConfig::default()).unwrap();
    assert!(!trace::is_on() && trace::caller(&calling(CALLER)).is_none());
    trace::begin().part(MESSAGE, "record", Work::Inner, || panic!("details of nothing"));
    let wrong = |otlp_endpoint: &str, sample_ratio: f64| {
        start(&TelemetryConfig { otlp_endpoint: Some(otlp_endpoint.to_owned()), sample_ratio }).unwrap_err()
    };
    assert!(wrong("collector", 1.0).contains("telemetry.otlp_endpoint"));
    assert!(wrong("http://127.0.0.1:1", 1.5).contains("telemetry.sample_ratio"));
    assert!(!trace::is_on());

    start(&TelemetryConfig { otlp_endpoint: Some(endpoint), sample_ratio: 1.0 }).unwrap();
    let caller = trace::caller(&calling(CALLER)).unwrap();
    let (whole, record) = (trace::begin(), trace::begin());
    clock.advance(TimeDelta::milliseconds(3));
    record.part(MESSAGE, "record", Work::Inner, Vec::new);
    trace::begin().part(MESSAGE, "vendor call", Work::Call, || vec![("outcome", "accepted".to_owned())]);
    whole.whole(MESSAGE, "send", Some(caller), Vec::new);
    trace::begin().part(MESSAGE, "callback", Work::Answer, Vec::new);
    trace::begin().part("no id of ours", "stray", Work::Answer, Vec::new);
    // A caller that is not traced itself gets no span; the message has its trace all the same.
    let unsampled = trace::caller(&calling("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"));
    trace::begin().whole("018f2d5e-7c1a-7abc-8def-0123456789ac", "alone", unsampled, Vec::new);
    // What is still on its way when the process ends is handed on.
    lifecycle.shutdown().await.unwrap();

    outside.stop_now();
    let spans = collector.spans();
    let trace_of = |span: &Span| hex::encode(&span.trace_id);
    let own = MESSAGE.replace('-', "");
    for (name, kind) in
        [("record", SpanKind::Internal), ("vendor call", SpanKind::Client), ("callback", SpanKind::Server)]
    {
        let [span] = named(&spans, name)[..] else { panic!("{name}: {spans:#?}") };
        assert_eq!((trace_of(span), hex::encode(&span.parent_span_id)), (own.clone(), own[16..].to_owned()), "{name}");
        assert_eq!(span.kind(), kind, "{name}");
    }
    let record = named(&spans, "record")[0];
    assert_eq!(Duration::from_nanos(record.end_time_unix_nano - record.start_time_unix_nano).as_millis(), 3);
    let [first, second] = named(&spans, "send")[..] else { panic!("{spans:#?}") };
    let (callers, messages) = if trace_of(first) == own { (second, first) } else { (first, second) };
    assert_eq!(hex::encode(&messages.span_id), own[16..]);
    assert!(messages.parent_span_id.is_empty());
    assert_eq!(trace_of(callers), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex::encode(&callers.parent_span_id), "b7ad6b7169203331");
    assert_eq!((&callers.links[0].trace_id, &callers.links[0].span_id), (&messages.trace_id, &messages.span_id));
    assert_eq!((&messages.links[0].trace_id, &messages.links[0].span_id), (&callers.trace_id, &callers.span_id));
    assert_eq!(named(&spans, "alone").len(), 1);
    assert!(named(&spans, "stray").is_empty());
}
