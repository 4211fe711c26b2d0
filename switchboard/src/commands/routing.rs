//! `switchboard routing`.

use clap::Subcommand;
use switchboard_proto::{
    common::v1::Channel,
    config::v1::{Canary, ChannelOverride, GetRoutingRequest, Routing, UpdateRoutingRequest},
};

use super::{Wait, applied};
use crate::{
    client::{As, Connector, patient, refused, request},
    output,
};

/// What to do with a routing.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Shows which vendor carries what
    Get {
        /// The organisation
        organization: String,
    },
    /// Changes it; what is not named stays, `none` takes it away. The next send goes the new way
    #[command(after_help = SET_EXAMPLES)]
    Set {
        /// The organisation
        organization: String,
        #[command(flatten)]
        change: Change,
        /// The version that the change is based on [default: the one there is now]
        #[arg(long)]
        version: Option<i64>,
        #[command(flatten)]
        wait: Wait,
    },
}

const SET_EXAMPLES: &str = "\
Examples:
  switchboard routing set hanbit --primary sendtalk
  switchboard routing set hanbit --override alimtalk=sendtalk --failover cloudmsg
  switchboard routing set hanbit --canary sendtalk=10
  switchboard routing set hanbit --canary none --primary none";

/// The parts of a routing that may be changed.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = true)]
pub struct Change {
    /// The vendor for all that is not overridden; `none` for the platform default
    #[arg(long, value_name = "VENDOR")]
    primary: Option<String>,
    /// Another vendor for one kind of message: sms, lms, mms or alimtalk; `none` for the primary again, and alone for all
    /// kinds; may be given more than once
    #[arg(long = "override", value_name = "KIND=VENDOR", value_parser = channel_override)]
    overrides: Vec<Override>,
    /// Vendors to try next, in this order, when a message was certainly not accepted
    #[arg(long, value_name = "VENDOR,…", value_delimiter = ',')]
    failover: Vec<String>,
    /// Sends a part of the recipients, in percent, through another vendor
    #[arg(long, value_name = "VENDOR=PERCENT", value_parser = canary)]
    canary: Option<Parsed<Canary>>,
}

/// What was typed: a value, or `none`.
#[derive(Clone, Debug)]
enum Parsed<T> {
    None,
    Some(T),
}

/// What was typed of overrides.
#[derive(Clone, Debug)]
enum Override {
    /// `none`: there are none any more.
    NoneAtAll,
    /// One kind goes another way; without a vendor, with the primary again.
    Of(Channel, Option<String>),
}

fn channel_override(text: &str) -> Result<Override, String> {
    if text == "none" {
        return Ok(Override::NoneAtAll);
    }
    let wrong = || "write it as KIND=VENDOR, such as alimtalk=sendtalk, or as none".to_owned();
    let (kind, provider) = text.split_once('=').ok_or_else(wrong)?;
    let channel = Channel::from_str_name(&format!("CHANNEL_{}", kind.to_uppercase()))
        .filter(|channel| *channel != Channel::Unspecified)
        .ok_or_else(|| format!("{kind:?} is no kind of message: use sms, lms, mms or alimtalk"))?;
    Ok(Override::Of(channel, (provider != "none").then(|| provider.to_owned())))
}

fn canary(text: &str) -> Result<Parsed<Canary>, String> {
    if text == "none" {
        return Ok(Parsed::None);
    }
    let wrong = || "write it as VENDOR=PERCENT, such as sendtalk=10, or as none".to_owned();
    let (provider, percent) = text.split_once('=').ok_or_else(wrong)?;
    let percent = percent.trim_end_matches('%').parse().map_err(|_| wrong())?;
    Ok(Parsed::Some(Canary { provider: provider.to_owned(), percent }))
}

impl Change {
    fn apply(self, routing: &mut Routing) {
        if let Some(primary) = self.primary {
            routing.primary = if primary == "none" { String::new() } else { primary };
        }
        if self.overrides.iter().any(|typed| matches!(typed, Override::NoneAtAll)) {
            routing.channel_overrides.clear();
        }
        for typed in self.overrides {
            let Override::Of(channel, provider) = typed else { continue };
            routing.channel_overrides.retain(|known| known.channel() != channel);
            let added = provider.map(|provider| ChannelOverride { channel: channel.into(), provider });
            routing.channel_overrides.extend(added);
        }
        if !self.failover.is_empty() {
            routing.failover = self.failover.into_iter().filter(|provider| provider != "none").collect();
        }
        match self.canary {
            Some(Parsed::Some(canary)) => routing.canary = Some(canary),
            Some(Parsed::None) => routing.canary = None,
            None => {}
        }
    }
}

/// Does it.
///
/// # Errors
/// What the service refuses, or that it cannot be reached.
pub async fn run(action: Action, connector: &Connector) -> anyhow::Result<()> {
    let mut admin = connector.admin(As::Operator)?;
    match action {
        Action::Get { organization } => {
            let call = request(GetRoutingRequest { organization_id: organization.clone() });
            let response = admin.get_routing(call).await.map_err(refused)?.into_inner();
            if connector.is_json() {
                return output::json("switchboard.config.v1.GetRoutingResponse", &response);
            }
            Ok(show(&organization, response.routing.unwrap_or_default())?)
        }
        Action::Set { organization, change, version, wait } => {
            let call = request(GetRoutingRequest { organization_id: organization.clone() });
            let response = admin.get_routing(call).await.map_err(refused)?.into_inner();
            let mut routing = response.routing.unwrap_or_default();
            change.apply(&mut routing);
            routing.version = version.unwrap_or(routing.version);
            let message = UpdateRoutingRequest {
                organization_id: organization.clone(),
                routing: Some(routing),
                wait_applied: wait.proto(),
                ..UpdateRoutingRequest::default()
            };
            let call = patient(message, Some(wait.wait_applied));
            let response = admin.update_routing(call).await.map_err(refused)?.into_inner();
            if connector.is_json() {
                return output::json("switchboard.config.v1.UpdateRoutingResponse", &response);
            }
            applied(&mut admin, "changed the routing", response.revision, wait, &response.pending_nodes).await?;
            Ok(show(&organization, response.routing.unwrap_or_default())?)
        }
    }
}

fn show(organization: &str, routing: Routing) -> std::io::Result<()> {
    let or_none = |text: String, none: &str| if text.is_empty() { none.to_owned() } else { text };
    let overrides: Vec<_> = routing
        .channel_overrides
        .iter()
        .map(|o| format!("{} → {}", output::word(o.channel().as_str_name(), "CHANNEL_"), o.provider))
        .collect();
    let canary = routing.canary.map(|canary| format!("{} % → {}", canary.percent, canary.provider));
    let row = [
        organization.to_owned(),
        or_none(routing.primary, "(platform default)"),
        or_none(overrides.join(", "), "–"),
        or_none(routing.failover.join(", "), "–"),
        canary.unwrap_or_else(|| "–".to_owned()),
        routing.version.to_string(),
    ];
    let header = ["organisation", "primary", "overrides", "failover", "canary", "version"];
    output::table(header, vec![row], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays_and_none_takes_away() {
        let mut routing = Routing {
            primary: "cloudmsg".to_owned(),
            failover: vec!["sendtalk".to_owned()],
            canary: Some(Canary { provider: "sendtalk".to_owned(), percent: 10 }),
            ..Routing::default()
        };
        let change = Change {
            primary: None,
            overrides: vec![channel_override("alimtalk=sendtalk").unwrap()],
            failover: vec!["none".to_owned()],
            canary: Some(canary("none").unwrap()),
        };
        change.apply(&mut routing);
        assert_eq!(routing.primary, "cloudmsg");
        assert_eq!(routing.channel_overrides[0].channel(), Channel::Alimtalk);
        assert!(routing.failover.is_empty() && routing.canary.is_none());
    }

    #[test]
    fn an_override_leaves_those_of_other_kinds_alone() {
        let mut routing = Routing::default();
        let mut typed = |words: &[&str]| {
            let overrides = words.iter().map(|word| channel_override(word).unwrap()).collect();
            Change { primary: None, overrides, failover: Vec::new(), canary: None }.apply(&mut routing);
            let row = |o: &ChannelOverride| format!("{}={}", o.channel().as_str_name(), o.provider);
            routing.channel_overrides.iter().map(row).collect::<Vec<_>>()
        };
        typed(&["sms=sendtalk"]);
        assert_eq!(typed(&["alimtalk=sendtalk"]), ["CHANNEL_SMS=sendtalk", "CHANNEL_ALIMTALK=sendtalk"]);
        assert_eq!(typed(&["sms=cloudmsg"]), ["CHANNEL_ALIMTALK=sendtalk", "CHANNEL_SMS=cloudmsg"]);
        assert_eq!(typed(&["alimtalk=none"]), ["CHANNEL_SMS=cloudmsg"]);
        assert_eq!(typed(&["mms=cloudmsg", "none"]), ["CHANNEL_MMS=cloudmsg"]);
        assert!(typed(&["none"]).is_empty());
    }

    #[test]
    fn what_is_typed_wrongly_is_told_how_to_write_it() {
        assert!(channel_override("fax=sendtalk").unwrap_err().contains("sms, lms, mms or alimtalk"));
        assert!(canary("sendtalk").unwrap_err().contains("VENDOR=PERCENT"));
    }
}
