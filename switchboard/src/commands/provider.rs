//! `switchboard provider`.

mod write;

use clap::Subcommand;
use switchboard_proto::{
    common::v1::Channel,
    config::v1::{
        GetProviderConfigRequest, ListProviderConfigsRequest, ListProvidersRequest, Provider, ProviderConfig,
    },
};

use super::Wait;
use super::credentials::Fields;
use crate::{
    client::{As, Connector, refused, request},
    output,
};

/// What to do with vendors and credentials.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Lists the vendors there are, or the credentials that an organisation has with them
    #[command(after_help = "Examples:\n  switchboard provider list\n  switchboard provider list hanbit")]
    List {
        /// An organisation
        organization: Option<String>,
    },
    /// Shows a vendor's form, or an organisation's credentials with it, secrets masked
    #[command(
        after_help = "Examples:\n  switchboard provider show sendtalk\n  switchboard provider show sendtalk --org hanbit"
    )]
    Show {
        /// The vendor's code
        provider: String,
        /// An organisation
        #[arg(long = "org", value_name = "ORGANISATION")]
        organization: Option<String>,
    },
    /// Stores credentials: creates them, or changes those there are
    #[command(after_help = SET_EXAMPLE)]
    Set(Change),
    /// Changes stored credentials; what is left out stays
    Update(Change),
    /// Deletes credentials that nothing is routed to
    #[command(
        after_help = "Example:\n  switchboard provider delete hanbit sendtalk --confirm 한빛상사\n  switchboard provider delete hanbit sendtalk --yes"
    )]
    Delete {
        /// The organisation
        organization: String,
        /// The vendor's code
        provider: String,
        #[command(flatten)]
        confirmation: Confirmation,
        /// The version that the deletion is based on [default: the one there is now]
        #[arg(long)]
        version: Option<i64>,
        #[command(flatten)]
        wait: Wait,
    },
}

const SET_EXAMPLE: &str = "\
Example:
  switchboard provider set hanbit sendtalk --field account_id=acct_hanbit01 --field-file api_key=/run/secrets/key \\
      --field-stdin webhook_secret --activate";

/// That a deletion is meant.
#[derive(clap::Args, Debug)]
pub struct Confirmation {
    /// The organisation's name, typed again [default: asked for]
    #[arg(long, value_name = "NAME")]
    pub(crate) confirm: Option<String>,
    /// Deletes without asking for the name: for scripts
    #[arg(long, conflicts_with = "confirm")]
    pub(crate) yes: bool,
}

/// Credentials to store.
#[derive(clap::Args, Debug)]
pub struct Change {
    /// The organisation
    pub organization: String,
    /// The vendor's code
    pub provider: String,
    #[command(flatten)]
    pub(crate) fields: Fields,
    /// Also routes the organisation to this vendor
    #[arg(long)]
    pub activate: bool,
    /// Stores without asking the vendor; superadmin only, and the audit trail says so
    #[arg(long)]
    pub skip_connection_test: bool,
    /// The version that the change is based on [default: the one there is now]
    #[arg(long)]
    pub version: Option<i64>,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

/// Does it.
///
/// # Errors
/// What the service refuses, or that it cannot be reached.
pub async fn run(action: Action, connector: &Connector) -> anyhow::Result<()> {
    match action {
        Action::List { organization: None } => vendors(connector).await,
        Action::List { organization: Some(organization) } => configs(connector, organization).await,
        Action::Show { provider, organization: None } => form(connector, &provider).await,
        Action::Show { provider, organization: Some(organization) } => config(connector, organization, provider).await,
        Action::Set(change) => write::set(connector, change).await,
        Action::Update(change) => write::update(connector, change).await,
        Action::Delete { organization, provider, confirmation, version, wait } => {
            write::delete(connector, organization, provider, confirmation, version, wait).await
        }
    }
}

async fn vendors(connector: &Connector) -> anyhow::Result<()> {
    let mut admin = connector.admin(As::Operator)?;
    let response = admin.list_providers(request(ListProvidersRequest {})).await.map_err(refused)?.into_inner();
    if connector.is_json() {
        return output::json("switchboard.config.v1.ListProvidersResponse", &response);
    }
    let rows = response.providers.into_iter().map(|provider| {
        let channels: Vec<_> =
            provider.channels().map(|channel: Channel| output::word(channel.as_str_name(), "CHANNEL_")).collect();
        let fields: Vec<_> = provider.form.iter().map(|field| field.key.as_str()).collect();
        let (channels, fields) = (channels.join(", "), fields.join(", "));
        let name = provider.name.map(|name| name.ko).unwrap_or_default();
        [provider.provider, name, channels, fields]
    });
    Ok(output::table(["vendor", "name", "channels", "fields"], rows.collect(), "no vendors")?)
}

async fn form(connector: &Connector, code: &str) -> anyhow::Result<()> {
    let mut admin = connector.admin(As::Operator)?;
    let response = admin.list_providers(request(ListProvidersRequest {})).await.map_err(refused)?.into_inner();
    let known: Vec<_> = response.providers.iter().map(|provider| provider.provider.clone()).collect();
    let Some(provider) = response.providers.into_iter().find(|provider| provider.provider == code) else {
        anyhow::bail!("there is no vendor {code:?}; known are {}", known.join(", "));
    };
    if connector.is_json() {
        return output::json("switchboard.config.v1.Provider", &provider);
    }
    let Provider { form, .. } = provider;
    let rows = form.into_iter().map(|field| {
        let needed = if field.required { "required" } else { "" };
        let secret = if field.secret { "secret" } else { "" };
        let help = field.help.map(|help| help.ko).unwrap_or_default();
        [field.key, field.label.map(|label| label.ko).unwrap_or_default(), needed.to_owned(), secret.to_owned(), help]
    });
    Ok(output::table(["field", "label", "", "", "what to type"], rows.collect(), "the form is empty")?)
}

async fn configs(connector: &Connector, organization_id: String) -> anyhow::Result<()> {
    let call = request(ListProviderConfigsRequest { organization_id });
    let response = connector.admin(As::Operator)?.list_provider_configs(call).await.map_err(refused)?.into_inner();
    if connector.is_json() {
        return output::json("switchboard.config.v1.ListProviderConfigsResponse", &response);
    }
    let rows = response.provider_configs.into_iter().map(|config| {
        let active = if config.active { "primary" } else { "" };
        let changed = output::time(config.update_time.as_ref());
        [config.provider, config.provider_account, active.to_owned(), config.version.to_string(), changed]
    });
    let nothing = "no credentials: the platform default serves this organisation";
    Ok(output::table(["vendor", "account", "", "version", "changed (KST)"], rows.collect(), nothing)?)
}

async fn config(connector: &Connector, organization_id: String, provider: String) -> anyhow::Result<()> {
    let call = request(GetProviderConfigRequest { organization_id, provider });
    let response = connector.admin(As::Operator)?.get_provider_config(call).await.map_err(refused)?.into_inner();
    if connector.is_json() {
        return output::json("switchboard.config.v1.GetProviderConfigResponse", &response);
    }
    Ok(show(response.provider_config.unwrap_or_default())?)
}

fn show(config: ProviderConfig) -> std::io::Result<()> {
    let active = if config.active { ", primary" } else { "" };
    output::line(format_args!(
        "{} / {}: account {}, version {}{active}",
        config.organization_id, config.provider, config.provider_account, config.version
    ))?;
    let rows = config.fields.into_iter().map(|field| {
        let value = match (field.is_set, field.value.is_empty()) {
            (false, _) => "(not set)".to_owned(),
            (true, true) => "•••• (set)".to_owned(),
            (true, false) => field.value,
        };
        let previous = match output::time(field.previous_expire_time.as_ref()) {
            until if until.is_empty() => until,
            until => format!("the old one until {until}"),
        };
        [field.key, value, output::time(field.set_time.as_ref()), previous]
    });
    output::table(["field", "value", "set (KST)", "also valid"], rows.collect(), "no fields")
}
