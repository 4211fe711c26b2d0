//! The section `telemetry`.

use serde::Deserialize;

/// The section `telemetry`: traces.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// `telemetry.otlp_endpoint`: the collector that takes traces over OTLP/gRPC, such as `http://127.0.0.1:4317`.
    /// Default: none, nothing is traced.
    pub otlp_endpoint: Option<String>,
    /// `telemetry.sample_ratio`: the share of messages that are traced, from 0 to 1; every service picks the same ones.
    /// Default: 1.
    pub sample_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { otlp_endpoint: None, sample_ratio: 1.0 }
    }
}
