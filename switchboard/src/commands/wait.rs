//! Waiting until a change is in use.

use std::time::Duration;

use clap::Args;
use humantime::parse_duration;
use switchboard_proto::config::v1::GetPropagationRequest;
use switchboard_runtime::wire::from_std_duration;

use crate::{
    client::{Admin, request},
    output,
};

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
pub(crate) async fn applied(
    admin: &mut Admin,
    what: &str,
    revision: i64,
    wait: Wait,
    pending: &[String],
) -> std::io::Result<()> {
    let state = match (wait.proto(), pending) {
        (None, _) => String::new(),
        (Some(_), []) => match dispatchers(admin, revision).await {
            Some(0) => ", in use by nobody: no dispatcher is connected".to_owned(),
            _ => ", in use by every connected dispatcher".to_owned(),
        },
        (Some(_), nodes) => format!(", not yet in use by {}", nodes.join(", ")),
    };
    output::line(format_args!("{what} (revision {revision}{state})"))
}

/// How many there are; `None`: that cannot be found out now.
async fn dispatchers(admin: &mut Admin, revision: i64) -> Option<usize> {
    let response = admin.get_propagation(request(GetPropagationRequest { revision })).await.ok()?.into_inner();
    Some(response.nodes.iter().filter(|node| node.kind == "dispatcher").count())
}
