//! `switchboard audit`.

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use switchboard_proto::config::v1::{
    AuditChange, AuditEvent, AuditHead, GetAuditHeadRequest, ListAuditEventsRequest, VerifyAuditTrailRequest,
};
use switchboard_runtime::wire::{from_timestamp, to_timestamp};
use tonic::Request;

use crate::{
    client::{As, Connector, patient, refused, request},
    output,
};

/// How much longer than other calls a walk over a whole chain may take: all that config-service allows.
const WALK: Duration = Duration::from_secs(90);

/// What to do with the audit trail.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Lists events, newest first
    #[command(after_help = "Example:\n  switchboard audit list --org hanbit --action UpdateRouting")]
    List {
        /// Only of this organisation
        #[arg(long = "org", value_name = "ORGANISATION", default_value = "", hide_default_value = true)]
        organization: String,
        /// Only by this actor
        #[arg(long, default_value = "", hide_default_value = true)]
        actor: String,
        /// Only this action, such as UpdateRouting
        #[arg(long, default_value = "", hide_default_value = true)]
        action: String,
        /// Only at or after this time, such as 2026-01-31T09:00:00+09:00
        #[arg(long, value_name = "TIME")]
        since: Option<DateTime<Utc>>,
        /// Only before this time
        #[arg(long, value_name = "TIME")]
        until: Option<DateTime<Utc>>,
        /// How many
        #[arg(long, default_value_t = 50)]
        page_size: i32,
        /// The next page, as the page before names it
        #[arg(long, default_value = "", hide_default_value = true)]
        page_token: String,
    },
    /// Walks the whole chain; fails when a link is broken
    #[command(
        after_help = "Example:\n  switchboard audit head > head.json\n  switchboard audit verify --known-head head.json"
    )]
    Verify {
        /// A head that was kept elsewhere: it must lie on the chain
        #[arg(long, value_name = "FILE")]
        known_head: Option<PathBuf>,
    },
    /// Prints the signed end of the chain, for keeping elsewhere
    Head,
}

/// A head as a file.
#[derive(Serialize, Deserialize)]
struct Kept {
    count: i64,
    /// Hexadecimal.
    hash: String,
    /// Hexadecimal.
    signature: String,
    sign_time: Option<DateTime<Utc>>,
}

/// Does it.
///
/// # Errors
/// A broken chain, what the service refuses, or that it cannot be reached.
pub async fn run(action: Action, connector: &Connector) -> anyhow::Result<()> {
    let mut admin = connector.admin(As::Auditor)?;
    match action {
        Action::List { organization, actor, action, since, until, page_size, page_token } => {
            let call = request(ListAuditEventsRequest {
                organization_id: organization,
                actor,
                action,
                page_size,
                page_token,
                event_time_after: since.map(to_timestamp),
                event_time_before: until.map(to_timestamp),
            });
            let response = admin.list_audit_events(call).await.map_err(refused)?.into_inner();
            if connector.is_json() {
                return output::json("switchboard.config.v1.ListAuditEventsResponse", &response);
            }
            table(response.audit_events)?;
            if !response.next_page_token.is_empty() {
                output::line(format_args!("more: --page-token {}", response.next_page_token))?;
            }
            Ok(())
        }
        Action::Verify { known_head } => {
            let known_head = known_head.map(|path| read(&path)).transpose()?;
            let response = admin.verify_audit_trail(verification(known_head)).await.map_err(refused)?.into_inner();
            if connector.is_json() {
                output::json("switchboard.config.v1.VerifyAuditTrailResponse", &response)?;
            }
            if !response.intact && response.first_broken_sequence == 0 {
                anyhow::bail!(
                    "the audit trail was not verified: {}; give it as `audit head` has printed it",
                    response.detail
                );
            }
            if !response.intact {
                anyhow::bail!(
                    "the audit trail is broken at event {}: {}",
                    response.first_broken_sequence,
                    response.detail
                );
            }
            if !connector.is_json() {
                output::line(format_args!("the audit trail is intact: {} events", response.checked_count))?;
            }
            Ok(())
        }
        Action::Head => {
            let response = admin.get_audit_head(request(GetAuditHeadRequest {})).await.map_err(refused)?.into_inner();
            let head = response.head.context("config-service answered without a head")?;
            let sign_time = head.sign_time.as_ref().map(from_timestamp).transpose()?;
            let kept = Kept {
                count: head.count,
                hash: hex::encode(head.hash),
                signature: hex::encode(head.signature),
                sign_time,
            };
            Ok(output::line(serde_json::to_string(&kept)?)?)
        }
    }
}

/// A request for a walk, as patient as config-service is with itself.
fn verification(known_head: Option<AuditHead>) -> Request<VerifyAuditTrailRequest> {
    patient(VerifyAuditTrailRequest { known_head }, Some(WALK))
}

fn read(path: &PathBuf) -> anyhow::Result<AuditHead> {
    let text = std::fs::read(path).with_context(|| format!("the head {} cannot be read", path.display()))?;
    let other = || format!("{} is not a head that `switchboard audit head` printed", path.display());
    let kept: Kept = serde_json::from_slice(&text).with_context(other)?;
    Ok(AuditHead {
        count: kept.count,
        hash: hex::decode(kept.hash).with_context(other)?,
        signature: hex::decode(kept.signature).with_context(other)?,
        sign_time: kept.sign_time.map(to_timestamp),
    })
}

fn table(events: Vec<AuditEvent>) -> std::io::Result<()> {
    let rows = events.into_iter().map(|event| {
        let what = if event.provider.is_empty() {
            event.organization_id
        } else {
            format!("{} / {}", event.organization_id, event.provider)
        };
        let forced = if event.forced { " (forced)" } else { "" };
        let changes: Vec<_> = event.changes.iter().map(change).collect();
        [
            event.sequence.to_string(),
            output::time(event.event_time.as_ref()),
            event.actor,
            format!("{}{forced}", event.action),
            what,
            event.outcome,
            changes.join("\n"),
        ]
    });
    let header = ["#", "time (KST)", "who", "did", "what", "outcome", "changes"];
    output::table(header, rows.collect(), "no events")
}

fn change(change: &AuditChange) -> String {
    let shown = |text: &str| if text.is_empty() { "–".to_owned() } else { text.to_owned() };
    if change.secret {
        format!("{} changed", change.field)
    } else {
        format!("{}: {} → {}", change.field, shown(&change.before), shown(&change.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_over_the_whole_chain_may_take_longer_than_other_calls() {
        let deadline = verification(None).metadata().get("grpc-timeout").cloned();
        assert_eq!(deadline.unwrap(), "120000m");
    }
}
