//! What is shown, in what order, and what is meant to come of it.

use std::time::Duration;

use switchboard_proto::{
    config::v1::{GetRoutingRequest, UpdateRoutingRequest},
    dispatch::v1::MessageStatus,
};
use switchboard_runtime::wire::from_std_duration;

use super::{
    follow::{Expected, Outcome, follow},
    send::{Kind, send},
};
use crate::{
    client::{patient, refused, request},
    output::line,
    up::{
        Stack,
        organizations::{GAON, HANBIT, NARAE, Organization},
    },
};

/// Anybody's number; the simulated vendors deliver to it.
const SOMEBODY: &str = "010-1234-5678";
/// The simulated vendors fail a message to it with code 3001, "no such subscriber".
const NOBODY: &str = "010-0000-3001";
/// How long a change may take to be in use everywhere.
const SWITCH: Duration = Duration::from_secs(5);

const DELIVERED: Expected = Expected { provider: "cloudmsg", status: MessageStatus::Delivered, code: "" };

/// Plays all scenes.
pub(super) async fn play(stack: &Stack) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    line("\n1. Every kind of message, for an organisation without a mapping and for one with each vendor")?;
    for (organization, provider, why) in [
        (GAON, "cloudmsg", "no mapping: the platform default, CloudMsg"),
        (HANBIT, "cloudmsg", "mapped to CloudMsg, its own account"),
        (NARAE, "sendtalk", "mapped to SendTalk"),
    ] {
        line(format_args!("\n{} ({}), {why}", organization.name, organization.id))?;
        for kind in Kind::ALL {
            outcomes.push(one(stack, &organization, kind, SOMEBODY, Expected { provider, ..DELIVERED }).await?);
        }
    }

    line(format_args!("\n2. {} ({}) changes its vendor between two messages", HANBIT.name, HANBIT.id))?;
    outcomes.push(one(stack, &HANBIT, Kind::Sms, SOMEBODY, DELIVERED).await?);
    switch(stack, &HANBIT, "sendtalk").await?;
    outcomes.push(one(stack, &HANBIT, Kind::Sms, SOMEBODY, Expected { provider: "sendtalk", ..DELIVERED }).await?);

    line(format_args!("\n3. {} ({}) writes to a number that does not exist", NARAE.name, NARAE.id))?;
    let failed = Expected { provider: "sendtalk", status: MessageStatus::Failed, code: "INVALID_RECIPIENT" };
    outcomes.push(one(stack, &NARAE, Kind::Sms, NOBODY, failed).await?);
    line(
        "  Why it failed: the vendor accepted the message, since a number's shape says nothing about whether anybody has\n  \
         it. The carrier then answered 3001, \"no such subscriber\", and the callback brought that back. Every vendor has\n  \
         its own codes; the history says INVALID_RECIPIENT for all of them, and not to send the same again.",
    )?;
    Ok(outcomes)
}

async fn one(
    stack: &Stack,
    organization: &Organization,
    kind: Kind,
    to: &str,
    expected: Expected,
) -> anyhow::Result<Outcome> {
    let mut messages = stack.messages()?;
    let sent = send(&mut messages, organization, kind, to).await?;
    follow(&mut messages, organization, kind, sent, expected).await
}

/// Routes an organisation to another vendor, and returns when every dispatcher uses the new way.
async fn switch(stack: &Stack, organization: &Organization, provider: &str) -> anyhow::Result<()> {
    let mut admin = stack.admin()?;
    let call = request(GetRoutingRequest { organization_id: organization.id.to_owned() });
    let mut routing = admin.get_routing(call).await.map_err(refused)?.into_inner().routing.unwrap_or_default();
    let before = std::mem::replace(&mut routing.primary, provider.to_owned());
    let message = UpdateRoutingRequest {
        organization_id: organization.id.to_owned(),
        routing: Some(routing),
        wait_applied: Some(from_std_duration(SWITCH)),
        ..UpdateRoutingRequest::default()
    };
    let response = admin.update_routing(patient(message, Some(SWITCH))).await.map_err(refused)?.into_inner();
    if !response.pending_nodes.is_empty() {
        anyhow::bail!("the new routing is not in use by {}", response.pending_nodes.join(", "));
    }
    line(format_args!(
        "\n  → UpdateRouting {}: {before} → {provider}, revision {}, in use by every dispatcher before the call returned",
        organization.id, response.revision
    ))?;
    Ok(())
}
