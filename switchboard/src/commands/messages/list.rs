//! Lists of messages.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use humantime::parse_duration;
use prost_types::Timestamp;
use switchboard_proto::{
    common::v1::Channel,
    config::v1::ListOrganizationsRequest,
    dispatch::v1::{ListMessagesRequest, ListMessagesResponse, Message, MessageFilter, MessageStatus},
};
use switchboard_runtime::wire::{from_std_duration, to_timestamp};

use super::show::{self, last_word, status_word};
use crate::{
    client::{As, Connector, Messages, refused, request},
    output,
};

/// For the help.
pub(super) const EXAMPLES: &str = "\
Examples:
  switchboard messages list --org hanbit --status FAILED --status UNRESOLVED
  switchboard messages list --org hanbit --to 010-1234-5678 --after 2026-03-01T00:00:00+09:00";

/// Which messages to list.
#[derive(Args, Debug)]
pub struct List {
    /// The organisation
    #[arg(long = "org", value_name = "ORGANISATION")]
    organization: String,
    /// Only in this state; may be given more than once
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Vec<MessageStatus>,
    /// Only through this vendor
    #[arg(long, value_name = "VENDOR", default_value = "", hide_default_value = true)]
    provider: String,
    /// Only to this number, in any form
    #[arg(long, value_name = "NUMBER", default_value = "", hide_default_value = true)]
    to: String,
    /// Only of this kind: sms, lms, mms or alimtalk
    #[arg(long, value_name = "KIND", value_parser = channel)]
    channel: Option<Channel>,
    /// Only recorded at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    after: Option<Timestamp>,
    /// Only recorded before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: Option<Timestamp>,
    /// Only open ones, recorded longer ago than this
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    unsettled_for: Option<Duration>,
    /// How many
    #[arg(long, default_value_t = 50)]
    page_size: i32,
    /// The next page, as the page before names it
    #[arg(long, default_value = "", hide_default_value = true)]
    page_token: String,
}

/// Which messages are stuck.
#[derive(Args, Debug)]
pub struct Stuck {
    /// The organisation [default: every one that config-service knows]
    #[arg(long = "org", value_name = "ORGANISATION")]
    organization: Option<String>,
    /// Open for longer than this
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    older_than: Duration,
    /// With each message's whole timeline
    #[arg(long)]
    timeline: bool,
}

fn status(word: &str) -> Result<MessageStatus, String> {
    MessageStatus::from_str_name(&format!("MESSAGE_STATUS_{}", word.to_uppercase()))
        .filter(|status| *status != MessageStatus::Unspecified)
        .ok_or_else(|| "use REQUESTED, IN_DOUBT, QUEUED, SENT, DELIVERED, FAILED or UNRESOLVED".to_owned())
}

fn channel(word: &str) -> Result<Channel, String> {
    Channel::from_str_name(&format!("CHANNEL_{}", word.to_uppercase()))
        .filter(|channel| *channel != Channel::Unspecified)
        .ok_or_else(|| "use sms, lms, mms or alimtalk".to_owned())
}

fn time(text: &str) -> Result<Timestamp, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|instant| to_timestamp(instant.with_timezone(&Utc)))
        .map_err(|_| "write it like 2026-03-01T09:00:00+09:00".to_owned())
}

pub(super) async fn list(connector: &Connector, mut messages: Messages, list: List) -> anyhow::Result<()> {
    let filter = MessageFilter {
        status: list.status.into_iter().map(Into::into).collect(),
        provider: list.provider,
        to: list.to,
        channel: list.channel.unwrap_or_default().into(),
        create_time_after: list.after,
        create_time_before: list.before,
        unsettled_for: list.unsettled_for.map(from_std_duration),
    };
    let call = request(ListMessagesRequest {
        organization_id: list.organization,
        filter: Some(filter),
        page_size: list.page_size,
        page_token: list.page_token,
        with_events: false,
    });
    let response = messages.list_messages(call).await.map_err(refused)?.into_inner();
    if connector.is_json() {
        return output::json("switchboard.dispatch.v1.ListMessagesResponse", &response);
    }
    let rows = response.messages.into_iter().map(|message| {
        let failure = message.failure.as_ref().map(|failure| failure.code.clone()).unwrap_or_default();
        [
            output::time(message.create_time.as_ref()),
            output::word(message.channel().as_str_name(), "CHANNEL_").to_owned(),
            message.provider.clone(),
            status_word(message.status()).to_owned(),
            failure,
            message.to,
            message.message_id,
        ]
    });
    let header = ["recorded (KST)", "kind", "vendor", "status", "why", "to", "message"];
    output::table(header, rows.collect(), "no messages")?;
    if !response.next_page_token.is_empty() {
        output::line(format_args!("more: --page-token {}", response.next_page_token))?;
    }
    Ok(())
}

pub(super) async fn stuck(connector: &Connector, mut messages: Messages, stuck: Stuck) -> anyhow::Result<()> {
    let organizations = match stuck.organization {
        Some(organization) => vec![organization],
        None => every_organization(connector).await?,
    };
    let mut found = Vec::new();
    for organization in organizations {
        open_ones(&mut messages, organization, stuck.older_than, &mut found).await?;
    }
    if connector.is_json() {
        let response = ListMessagesResponse { messages: found, next_page_token: String::new() };
        return output::json("switchboard.dispatch.v1.ListMessagesResponse", &response);
    }
    if stuck.timeline {
        for message in &found {
            show::whole(message)?;
        }
        return Ok(());
    }
    let rows = found.into_iter().map(|message| {
        [
            output::time(message.create_time.as_ref()),
            message.organization_id.clone(),
            message.provider.clone(),
            status_word(message.status()).to_owned(),
            message.events.last().map(last_word).unwrap_or_default(),
            message.check_count.to_string(),
            message.next_action.clone(),
            output::time(message.next_action_time.as_ref()),
            message.message_id,
        ]
    });
    let header = [
        "recorded (KST)",
        "organisation",
        "vendor",
        "status",
        "last heard",
        "looked after",
        "next",
        "from (KST)",
        "message",
    ];
    Ok(output::table(header, rows.collect(), "nothing is stuck")?)
}

async fn every_organization(connector: &Connector) -> anyhow::Result<Vec<String>> {
    let mut admin = connector.admin(As::Operator)?;
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let call = request(ListOrganizationsRequest { page_size: 1000, page_token, ..Default::default() });
        let response = admin.list_organizations(call).await.map_err(refused)?.into_inner();
        found.extend(response.organizations.into_iter().map(|organization| organization.organization_id));
        page_token = response.next_page_token;
        if page_token.is_empty() {
            return Ok(found);
        }
    }
}

async fn open_ones(
    messages: &mut Messages,
    organization_id: String,
    older_than: Duration,
    found: &mut Vec<Message>,
) -> anyhow::Result<()> {
    let mut page_token = String::new();
    loop {
        let filter = MessageFilter { unsettled_for: Some(from_std_duration(older_than)), ..MessageFilter::default() };
        let call = request(ListMessagesRequest {
            organization_id: organization_id.clone(),
            filter: Some(filter),
            page_size: 1000,
            page_token,
            with_events: true,
        });
        let response = messages.list_messages(call).await.map_err(refused)?.into_inner();
        found.extend(response.messages);
        page_token = response.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}
