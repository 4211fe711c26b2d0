//! Logs and the metrics recorder: one of each per process, however many services run in it.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, registry};

use crate::config::{ConfigError, LogConfig, LogFormat};

pub use metrics_exporter_prometheus::PrometheusHandle;

/// Bounds in seconds of every histogram whose name ends in `_seconds`: from half a millisecond, which a send may take,
/// to half a minute, which a vendor may.
const SECONDS_BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0];

/// Bounds of every histogram whose name ends in `_size`.
const SIZE_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Starts logging to standard error. A logger that is in place already (in a test, say) stays.
///
/// # Errors
/// When the filter cannot be read; the error says where and shows one that can.
pub fn init(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(&config.filter).with_context(|| {
        ConfigError::new(format!(
            "the setting log.filter cannot be understood: {:?}; write it like \"info\" or \"info,switchboard_dispatcher=debug\"",
            config.filter
        ))
    })?;
    let filter = silent(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match config.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // An error means only that a logger is in place already.
    let _ = registry().with(filter).with(lines).try_init();
    Ok(())
}

/// Libraries that put into their logs what ours never hold. They say nothing, whatever the filter asks for.
const INDISCREET: [&str; 1] = ["rlibphonenumber"];

fn silent(filter: EnvFilter) -> EnvFilter {
    let directives = INDISCREET.iter().filter_map(|target| format!("{target}=off").parse().ok());
    directives.fold(filter, EnvFilter::add_directive)
}

/// The process's metrics recorder, installed by the first call and the same for every other. A handle that was made
/// before it counts nothing.
///
/// # Errors
/// When something else has installed a recorder of its own.
pub fn metrics() -> anyhow::Result<PrometheusHandle> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &SIZE_BUCKETS))
        .context("the histogram bounds are not valid")?
        .install_recorder()
        .context("another metrics recorder is installed already")?;
    ::metrics::gauge!("switchboard_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    *installed = Some(handle.clone());
    Ok(handle)
}

/// A pool of database connections, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// What it is for.
    pub name: &'static str,
    /// Connections that are open.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: usize,
    /// The most that it opens.
    pub most: u32,
}

/// Shows how a service's pools are used.
pub fn report_pools(service: &'static str, pools: &[PoolUse]) {
    for PoolUse { name, open, idle, most } in pools {
        let idle = u32::try_from(*idle).unwrap_or(*open).min(*open);
        for (state, connections) in [("used", *open - idle), ("idle", idle)] {
            let labels = [("service", service), ("pool", *name), ("state", state)];
            ::metrics::gauge!("switchboard_db_connections", &labels).set(f64::from(connections));
        }
        let labels = [("service", service), ("pool", *name)];
        ::metrics::gauge!("switchboard_db_connections_most", &labels).set(f64::from(*most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logging_can_be_started_again() {
        init(&LogConfig::default()).unwrap();
        let json = LogConfig { format: LogFormat::Json, ..LogConfig::default() };
        init(&json).unwrap();
    }

    #[test]
    fn a_filter_that_makes_no_sense_names_the_setting() {
        let config = LogConfig { filter: "a=b=c".to_owned(), ..LogConfig::default() };
        let error = init(&config).unwrap_err().to_string();
        assert!(error.contains("log.filter") && error.contains("a=b=c"), "{error}");
    }

    #[test]
    fn everyone_gets_the_same_recorder_with_histograms_in_seconds() {
        let handles: Vec<_> = (0..4).map(|_| std::thread::spawn(metrics)).collect();
        let handles: Vec<_> = handles.into_iter().map(|handle| handle.join().unwrap().unwrap()).collect();
        ::metrics::histogram!("runtime_probe_seconds").record(0.002);
        for handle in handles {
            assert!(handle.render().contains("runtime_probe_seconds_bucket{le=\"0.0025\"} 1"));
        }
    }
}
