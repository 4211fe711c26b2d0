//! Storing, changing and deleting credentials.

use switchboard_proto::config::v1::{
    CreateProviderConfigRequest, DeleteProviderConfigRequest, GetOrganizationRequest, GetProviderConfigRequest,
    ProviderConfig, UpdateProviderConfigRequest,
};

use super::{Change, Confirmation};
use crate::{
    client::{Admin, As, Connector, is_missing, patient, refused, request},
    commands::{Wait, applied, credentials::ask},
    exit::Usage,
    output,
};

pub(super) async fn set(connector: &Connector, change: Change) -> anyhow::Result<()> {
    let mut admin = connector.admin(role(&change))?;
    match stored(&mut admin, &change.organization, &change.provider).await? {
        Some(config) => replace(connector, &mut admin, change, &config).await,
        None => create(connector, &mut admin, change).await,
    }
}

pub(super) async fn update(connector: &Connector, change: Change) -> anyhow::Result<()> {
    let mut admin = connector.admin(role(&change))?;
    match stored(&mut admin, &change.organization, &change.provider).await? {
        Some(config) => replace(connector, &mut admin, change, &config).await,
        None => anyhow::bail!(
            "{} has no credentials with {}: store them with `switchboard provider set`",
            change.organization,
            change.provider
        ),
    }
}

/// Skipping the test is for superadmins alone.
fn role(change: &Change) -> As {
    if change.skip_connection_test { As::Superadmin } else { As::Operator }
}

async fn stored(admin: &mut Admin, organization: &str, provider: &str) -> anyhow::Result<Option<ProviderConfig>> {
    let call =
        request(GetProviderConfigRequest { organization_id: organization.to_owned(), provider: provider.to_owned() });
    match admin.get_provider_config(call).await {
        Ok(response) => Ok(response.into_inner().provider_config),
        Err(status) if is_missing(&status) => Ok(None),
        Err(status) => Err(refused(status)),
    }
}

async fn create(connector: &Connector, admin: &mut Admin, change: Change) -> anyhow::Result<()> {
    if change.fields.is_empty() {
        let show = format!("switchboard provider show {}", change.provider);
        return Err(Usage::new(format!("no --field is given; `{show}` lists the fields")).into());
    }
    let message = CreateProviderConfigRequest {
        credentials: change.fields.read()?,
        organization_id: change.organization,
        provider: change.provider,
        skip_connection_test: change.skip_connection_test,
        activate: change.activate,
        wait_applied: change.wait.proto(),
        ..CreateProviderConfigRequest::default()
    };
    let call = patient(message, Some(change.wait.wait_applied));
    let response = admin.create_provider_config(call).await.map_err(refused)?.into_inner();
    if connector.is_json() {
        return output::json("switchboard.config.v1.CreateProviderConfigResponse", &response);
    }
    let what = described("stored", response.provider_config);
    Ok(applied(admin, &what, response.revision, change.wait, &response.pending_nodes).await?)
}

async fn replace(
    connector: &Connector,
    admin: &mut Admin,
    change: Change,
    stored: &ProviderConfig,
) -> anyhow::Result<()> {
    if change.fields.is_empty() && !change.activate {
        return Err(Usage::new("nothing to change: give --field, --field-file, --field-stdin or --activate").into());
    }
    let message = UpdateProviderConfigRequest {
        credentials: change.fields.read()?,
        organization_id: change.organization,
        provider: change.provider,
        version: change.version.unwrap_or(stored.version),
        skip_connection_test: change.skip_connection_test,
        activate: change.activate,
        wait_applied: change.wait.proto(),
        ..UpdateProviderConfigRequest::default()
    };
    let call = patient(message, Some(change.wait.wait_applied));
    let response = admin.update_provider_config(call).await.map_err(refused)?.into_inner();
    if connector.is_json() {
        return output::json("switchboard.config.v1.UpdateProviderConfigResponse", &response);
    }
    let what = described("changed", response.provider_config);
    Ok(applied(admin, &what, response.revision, change.wait, &response.pending_nodes).await?)
}

pub(super) async fn delete(
    connector: &Connector,
    organization_id: String,
    provider: String,
    confirmation: Confirmation,
    version: Option<i64>,
    wait: Wait,
) -> anyhow::Result<()> {
    let mut admin = connector.admin(As::Operator)?;
    let version = match version {
        Some(version) => version,
        None => match stored(&mut admin, &organization_id, &provider).await? {
            Some(config) => config.version,
            None => anyhow::bail!("{organization_id} has no credentials with {provider}"),
        },
    };
    let confirm_organization_name = match confirmation {
        Confirmation { confirm: Some(name), .. } => name,
        Confirmation { yes: true, .. } => name_of(&mut admin, &organization_id).await?,
        _ => ask(&format!("to delete the credentials with {provider}, type the name of {organization_id}"))?,
    };
    let what = format!("deleted the credentials of {organization_id} with {provider}");
    let message = DeleteProviderConfigRequest {
        organization_id,
        provider,
        version,
        confirm_organization_name,
        wait_applied: wait.proto(),
        ..DeleteProviderConfigRequest::default()
    };
    let call = patient(message, Some(wait.wait_applied));
    let response = admin.delete_provider_config(call).await.map_err(refused)?.into_inner();
    if connector.is_json() {
        return output::json("switchboard.config.v1.DeleteProviderConfigResponse", &response);
    }
    Ok(applied(&mut admin, &what, response.revision, wait, &response.pending_nodes).await?)
}

async fn name_of(admin: &mut Admin, organization_id: &str) -> anyhow::Result<String> {
    let call = request(GetOrganizationRequest { organization_id: organization_id.to_owned() });
    let response = admin.get_organization(call).await.map_err(refused)?.into_inner();
    Ok(response.organization.unwrap_or_default().name)
}

fn described(done: &str, config: Option<ProviderConfig>) -> String {
    let config = config.unwrap_or_default();
    let active = if config.active { ", primary now" } else { "" };
    format!(
        "{done} the credentials of {} with {}: account {}, version {}{active}",
        config.organization_id, config.provider, config.provider_account, config.version
    )
}
