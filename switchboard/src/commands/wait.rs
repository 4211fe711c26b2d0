//! Waiting until a change is in use.

use std::time::Duration;

use clap::Args;
use humantime::parse_duration;
use switchboard_runtime::wire::from_std_duration;

use crate::output;

/// How long a change waits for the dispatchers.
#[derive(Args, Clone, Copy, Debug)]
pub struct Wait {
    /// Waits up to this long until every connected dispatcher uses the change; 0s does not wait
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub wait_applied: Duration,
}

impl Wait {
    pub(crate) fn proto(self) -> Option<prost_types::Duration> {
        (!self.wait_applied.is_zero()).then(|| from_std_duration(self.wait_applied))
    }
}

/// Says what became of a change.
pub(crate) fn applied(what: &str, revision: i64, wait: Wait, pending: &[String]) -> std::io::Result<()> {
    let state = match (wait.proto(), pending) {
        (None, _) => String::new(),
        (Some(_), []) => ", in use by every connected dispatcher".to_owned(),
        (Some(_), nodes) => format!(", not yet in use by {}", nodes.join(", ")),
    };
    output::line(format_args!("{what} (revision {revision}{state})"))
}
