//! The demo organisations, made through the same administration that operators use.

use switchboard_proto::config::v1::{
    CreateOrganizationRequest, CreateProviderConfigRequest, GetOrganizationRequest, GetRoutingRequest,
    ListProviderConfigsRequest,
};

use super::{
    Stack,
    organizations::{Account, DEFAULT, GAON, HANBIT, NARAE, Organization},
};
use crate::client::{Admin, is_missing, refused, request};

/// Makes what is missing. An organisation that has ever had a mapping or credentials is left as it is.
pub(crate) async fn seed(stack: &Stack) -> anyhow::Result<()> {
    let mut admin = stack.admin()?;
    for organization in [DEFAULT, HANBIT, NARAE, GAON] {
        create(&mut admin, &organization).await?;
        if is_untouched(&mut admin, organization.id).await? {
            for (index, account) in organization.accounts.iter().enumerate() {
                store(&mut admin, stack, organization.id, *account, index == 0).await?;
            }
        }
    }
    stack.in_step().await
}

async fn create(admin: &mut Admin, organization: &Organization) -> anyhow::Result<()> {
    let call = request(GetOrganizationRequest { organization_id: organization.id.to_owned() });
    match admin.get_organization(call).await {
        Ok(_) => return Ok(()),
        Err(status) if is_missing(&status) => {}
        Err(status) => return Err(refused(status)),
    }
    let call = request(CreateOrganizationRequest {
        organization_id: organization.id.to_owned(),
        name: organization.name.to_owned(),
        ..CreateOrganizationRequest::default()
    });
    admin.create_organization(call).await.map_err(refused)?;
    Ok(())
}

async fn is_untouched(admin: &mut Admin, id: &str) -> anyhow::Result<bool> {
    let call = request(GetRoutingRequest { organization_id: id.to_owned() });
    let routing = admin.get_routing(call).await.map_err(refused)?.into_inner().routing.unwrap_or_default();
    let call = request(ListProviderConfigsRequest { organization_id: id.to_owned() });
    let configs = admin.list_provider_configs(call).await.map_err(refused)?.into_inner().provider_configs;
    Ok(routing.version == 0 && configs.is_empty())
}

async fn store(admin: &mut Admin, stack: &Stack, id: &str, account: Account, activate: bool) -> anyhow::Result<()> {
    let (provider, fields) = account.form();
    let call = request(CreateProviderConfigRequest {
        organization_id: id.to_owned(),
        provider: provider.to_owned(),
        credentials: fields.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        // These credentials open the simulated vendors alone.
        skip_connection_test: stack.elsewhere.contains(provider),
        activate,
        ..CreateProviderConfigRequest::default()
    });
    admin.create_provider_config(call).await.map_err(refused)?;
    Ok(())
}
