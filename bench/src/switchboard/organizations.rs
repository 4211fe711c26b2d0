//! Organisations to send for, each with an account of its own, made through the administration that operators use.

use std::collections::HashMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use switchboard_proto::config::v1::{CreateOrganizationRequest, CreateProviderConfigRequest};
use switchboard_runtime::error::describe;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{Admin, House};
use crate::output;

/// Organisations that are made at the same time.
const AT_ONCE: usize = 32;

/// What the vendor signs callbacks with, for every account.
pub(crate) const CALLBACK_SECRET: &str = "bench-callback-secret";

/// Whether credentials are tested before they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// As an operator stores them.
    Tested,
    /// Without a test, for large numbers.
    Untested,
}

/// The id of the organisation with this number.
pub(crate) fn organization_id(number: u32) -> String {
    format!("bench-{number:06}")
}

/// Its account with the vendor.
fn account(number: u32) -> String {
    format!("svc-bench-{number:06}")
}

/// Makes organisations 1 to `count`, and the default one.
///
/// # Errors
/// What config-service says.
pub(crate) async fn create(admin: &mut Admin, count: u32) -> anyhow::Result<Vec<String>> {
    create_organization(admin, "default", "플랫폼 기본").await?;
    store_account(admin, "default", 0, Account::Tested).await?;
    let mut ids = Vec::new();
    for number in 1..=count {
        let id = organization_id(number);
        create_organization(admin, &id, &format!("벤치 {number}")).await?;
        store_account(admin, &id, number, Account::Tested).await?;
        ids.push(id);
    }
    Ok(ids)
}

/// Makes a great many of them, and the default one, without testing their credentials. Through the administration, as
/// operators would: only config-service can seal credentials.
///
/// # Errors
/// What config-service says.
pub(crate) async fn create_many(organizations: u32, house: &House) -> anyhow::Result<()> {
    let admin = house.admin()?;
    create(&mut admin.clone(), 0).await?;
    let begun = Instant::now();
    stream::iter(1..=organizations)
        .map(|number| {
            let mut admin = admin.clone();
            async move {
                let id = organization_id(number);
                create_organization(&mut admin, &id, &format!("벤치 {number}")).await?;
                store_account(&mut admin, &id, number, Account::Untested).await?;
                if number % 10_000 == 0 {
                    output::note(format_args!("{number} organisations made"));
                }
                anyhow::Ok(())
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    output::note(format_args!("{organizations} organisations made in {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

/// Makes one organisation unless there is one.
///
/// # Errors
/// What config-service says.
pub(crate) async fn create_organization(admin: &mut Admin, id: &str, name: &str) -> anyhow::Result<()> {
    let request = CreateOrganizationRequest {
        organization_id: id.to_owned(),
        name: name.to_owned(),
        ..CreateOrganizationRequest::default()
    };
    match admin.create_organization(request).await {
        Err(status) if status.code() != Code::AlreadyExists => Err(refused(&status)),
        _ => Ok(()),
    }
}

/// Stores an organisation's account with CloudMsg and routes it there.
///
/// # Errors
/// What config-service says.
pub(crate) async fn store_account(admin: &mut Admin, id: &str, number: u32, test: Account) -> anyhow::Result<()> {
    let credentials = [
        ("service_id", account(number)),
        ("access_key", format!("AK-bench-{number:06}")),
        ("secret_key", format!("SK-bench-secret-{number:06}")),
        ("callback_secret", CALLBACK_SECRET.to_owned()),
        ("default_sender", "1588-1234".to_owned()),
    ];
    let request = CreateProviderConfigRequest {
        organization_id: id.to_owned(),
        provider: "cloudmsg".to_owned(),
        credentials: credentials.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<HashMap<_, _>>(),
        skip_connection_test: test == Account::Untested,
        activate: true,
        ..CreateProviderConfigRequest::default()
    };
    admin.create_provider_config(request).await.map_err(|status| refused(&status))?;
    Ok(())
}

fn refused(status: &Status) -> anyhow::Error {
    anyhow::anyhow!("config-service: {}", describe(status))
}
