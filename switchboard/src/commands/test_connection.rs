//! `switchboard test-connection`.

use clap::Args;
use switchboard_proto::config::v1::TestConnectionRequest;
use switchboard_runtime::wire::to_std_duration;

use super::credentials::Fields;
use crate::{
    client::{As, Connector, refused, request},
    output,
};

/// For the help.
pub const EXAMPLES: &str = "\
Examples:
  switchboard test-connection hanbit cloudmsg
  switchboard test-connection hanbit sendtalk --field-file api_key=/run/secrets/new-key --use-stored";

/// Which credentials.
#[derive(Args, Debug)]
pub struct Test {
    /// The organisation that they are for
    organization: String,
    /// The vendor's code
    provider: String,
    #[command(flatten)]
    fields: Fields,
    /// Completes what is not given from the stored credentials; always so when nothing is given
    #[arg(long)]
    use_stored: bool,
}

/// Does it.
///
/// # Errors
/// When the test does not pass, or cannot be made.
pub async fn run(test: Test, connector: &Connector) -> anyhow::Result<()> {
    let call = request(TestConnectionRequest {
        use_stored: test.use_stored || test.fields.is_empty(),
        credentials: test.fields.read()?,
        organization_id: test.organization,
        provider: test.provider.clone(),
    });
    let response = connector.admin(As::Operator)?.test_connection(call).await.map_err(refused)?.into_inner();
    if connector.is_json() {
        output::json("switchboard.config.v1.TestConnectionResponse", &response)?;
    }
    let latency = response.latency.as_ref().and_then(|latency| to_std_duration(latency).ok()).unwrap_or_default();
    if response.ok {
        if !connector.is_json() {
            output::line(format_args!("{} accepts the credentials ({} ms)", test.provider, latency.as_millis()))?;
        }
        return Ok(());
    }
    let failure = response.failure.unwrap_or_default();
    let code = if failure.provider_code.is_empty() {
        String::new()
    } else {
        format!(" (the vendor's code {})", failure.provider_code)
    };
    anyhow::bail!("{}: {}{code}, after {} ms", failure.code, failure.detail, latency.as_millis())
}
