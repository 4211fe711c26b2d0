//! `switchboard org`.

use clap::Subcommand;
use switchboard_proto::config::v1::{
    CreateOrganizationRequest, GetOrganizationRequest, ListOrganizationsRequest, Organization,
    UpdateOrganizationRequest,
};

use super::{Wait, applied};
use crate::{
    client::{As, Connector, patient, refused, request},
    output,
};

/// What to do with organisations.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Creates an organisation; until it is mapped, the platform default serves it
    #[command(after_help = "Example:\n  switchboard org create hanbit --name 한빛상사")]
    Create {
        /// Its id: 1 to 64 of [a-z0-9-]; left out, one is made
        id: Option<String>,
        /// What people call it
        #[arg(long)]
        name: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Shows one organisation
    Get {
        /// Its id
        id: String,
    },
    /// Lists and searches organisations
    #[command(after_help = "Example:\n  switchboard org list --query 한빛 --provider cloudmsg")]
    List {
        /// Part of the name or the id
        #[arg(long, default_value = "", hide_default_value = true)]
        query: String,
        /// Only those routed to this vendor
        #[arg(long, default_value = "", hide_default_value = true)]
        provider: String,
        /// Only those without a mapping
        #[arg(long)]
        unmapped: bool,
        /// organization_id, name or create_time, optionally followed by " desc"
        #[arg(long, default_value = "", hide_default_value = true)]
        order_by: String,
        /// How many
        #[arg(long, default_value_t = 50)]
        page_size: i32,
        /// The next page, as the page before names it
        #[arg(long, default_value = "", hide_default_value = true)]
        page_token: String,
    },
    /// Renames an organisation
    Update {
        /// Its id
        id: String,
        /// The new name
        #[arg(long)]
        name: String,
        /// The version that the change is based on [default: the one there is now]
        #[arg(long)]
        version: Option<i64>,
        #[command(flatten)]
        wait: Wait,
    },
}

/// Does it.
///
/// # Errors
/// What the service refuses, or that it cannot be reached.
pub async fn run(action: Action, connector: &Connector) -> anyhow::Result<()> {
    match action {
        Action::Create { id, name, wait } => {
            let message = CreateOrganizationRequest {
                organization_id: id.unwrap_or_default(),
                name,
                wait_applied: wait.proto(),
                ..CreateOrganizationRequest::default()
            };
            let call = patient(message, Some(wait.wait_applied));
            let mut admin = connector.admin(As::Superadmin)?;
            let response = admin.create_organization(call).await.map_err(refused)?.into_inner();
            if connector.is_json() {
                return output::json("switchboard.config.v1.CreateOrganizationResponse", &response);
            }
            let organization = response.organization.unwrap_or_default();
            let what = format!("created {} ({})", organization.organization_id, organization.name);
            Ok(applied(&mut admin, &what, response.revision, wait, &response.pending_nodes).await?)
        }
        Action::Get { id } => {
            let call = request(GetOrganizationRequest { organization_id: id });
            let response = connector.admin(As::Operator)?.get_organization(call).await.map_err(refused)?.into_inner();
            if connector.is_json() {
                return output::json("switchboard.config.v1.GetOrganizationResponse", &response);
            }
            Ok(table(response.organization.into_iter().collect())?)
        }
        Action::List { query, provider, unmapped, order_by, page_size, page_token } => {
            let call = request(ListOrganizationsRequest { query, provider, unmapped, page_size, page_token, order_by });
            let response = connector.admin(As::Operator)?.list_organizations(call).await.map_err(refused)?.into_inner();
            if connector.is_json() {
                return output::json("switchboard.config.v1.ListOrganizationsResponse", &response);
            }
            let shown = response.organizations.len();
            table(response.organizations)?;
            output::line(format_args!("{shown} of {}", response.total_size))?;
            if !response.next_page_token.is_empty() {
                output::line(format_args!("more: --page-token {}", response.next_page_token))?;
            }
            Ok(())
        }
        Action::Update { id, name, version, wait } => update(connector, id, name, version, wait).await,
    }
}

async fn update(
    connector: &Connector,
    organization_id: String,
    name: String,
    version: Option<i64>,
    wait: Wait,
) -> anyhow::Result<()> {
    let mut admin = connector.admin(As::Superadmin)?;
    let version = match version {
        Some(version) => version,
        None => {
            let call = request(GetOrganizationRequest { organization_id: organization_id.clone() });
            let response = admin.get_organization(call).await.map_err(refused)?.into_inner();
            response.organization.unwrap_or_default().version
        }
    };
    let message = UpdateOrganizationRequest {
        organization_id,
        name,
        version,
        wait_applied: wait.proto(),
        ..UpdateOrganizationRequest::default()
    };
    let call = patient(message, Some(wait.wait_applied));
    let response = admin.update_organization(call).await.map_err(refused)?.into_inner();
    if connector.is_json() {
        return output::json("switchboard.config.v1.UpdateOrganizationResponse", &response);
    }
    let organization = response.organization.unwrap_or_default();
    let what = format!("renamed {} to {}", organization.organization_id, organization.name);
    Ok(applied(&mut admin, &what, response.revision, wait, &response.pending_nodes).await?)
}

fn table(organizations: Vec<Organization>) -> std::io::Result<()> {
    let rows = organizations.into_iter().map(|organization| {
        let provider = if organization.provider.is_empty() { "(default)".to_owned() } else { organization.provider };
        [
            organization.organization_id,
            organization.name,
            provider,
            organization.version.to_string(),
            output::time(organization.update_time.as_ref()),
        ]
    });
    output::table(["id", "name", "vendor", "version", "changed (KST)"], rows.collect(), "no organisations")
}
