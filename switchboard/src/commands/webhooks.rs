//! `switchboard webhooks`.

use clap::Subcommand;
use switchboard_proto::dispatch::v1::{
    ListQuarantinedEventsRequest, ListQuarantinedEventsResponse, ListRefusedUpdatesRequest, QuarantinedEvent,
    ReplayOutcome, ReplayQuarantinedEventsRequest, ReplayQuarantinedEventsResponse, ReplayResult, StatusOutcome,
};

use crate::{
    client::{As, Connector, WebhookAdmin, refused, request},
    output,
};

/// Events in one replay (contract, ReplayQuarantinedEvents).
const MOST_REPLAYED: usize = 100;

/// What to do with what callbacks brought.
#[derive(Subcommand, Debug)]
pub enum Action {
    /// Lists events of verified callbacks that could not be read, oldest first
    #[command(after_help = "Example:\n  switchboard webhooks quarantined --provider sendtalk --output json")]
    Quarantined {
        /// Only signed by this organisation
        #[arg(long = "org", value_name = "ORGANISATION", default_value = "", hide_default_value = true)]
        organization: String,
        /// Only of this vendor
        #[arg(long, value_name = "VENDOR", default_value = "", hide_default_value = true)]
        provider: String,
        /// How many
        #[arg(long, default_value_t = 50)]
        page_size: i32,
        /// The next page, as the page before names it
        #[arg(long, default_value = "", hide_default_value = true)]
        page_token: String,
    },
    /// Reads quarantined events anew, as after a fix; fails while one still cannot be read
    #[command(after_help = "Examples:\n  switchboard webhooks replay --all\n  \
                            switchboard webhooks replay 019a0b5e-7d1c-7c2a-9d0e-3a5b1f0c2d4e")]
    Replay {
        /// Their ids
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// Everything that is quarantined
        #[arg(long)]
        all: bool,
    },
    /// Lists who spoke for messages of another account, the latest first; all of it was refused
    Refused {
        /// How many
        #[arg(long, default_value_t = 100)]
        page_size: i32,
    },
}

/// Does it.
///
/// # Errors
/// What the service refuses, that it cannot be reached, or that an event still cannot be read.
pub async fn run(action: Action, connector: &Connector) -> anyhow::Result<()> {
    match action {
        Action::Quarantined { organization, provider, page_size, page_token } => {
            let call = ListQuarantinedEventsRequest { organization_id: organization, provider, page_size, page_token };
            quarantined(connector, call).await
        }
        Action::Replay { ids, all } => {
            let mut client = connector.webhooks(As::Operator)?;
            let ids = if all { every_id(&mut client).await? } else { ids };
            replay(connector, client, ids).await
        }
        Action::Refused { page_size } => refused_updates(connector, page_size).await,
    }
}

async fn quarantined(connector: &Connector, call: ListQuarantinedEventsRequest) -> anyhow::Result<()> {
    let mut client = connector.webhooks(As::Operator)?;
    let response = client.list_quarantined_events(request(call)).await.map_err(refused)?.into_inner();
    if connector.is_json() {
        return output::json("switchboard.dispatch.v1.ListQuarantinedEventsResponse", &response);
    }
    let ListQuarantinedEventsResponse { events, next_page_token } = response;
    let row = |event: QuarantinedEvent| {
        [
            output::time(event.first_time.as_ref()),
            event.seen_count.to_string(),
            event.provider,
            event.provider_account,
            event.organization_ids.join(", "),
            event.reason,
            event.quarantine_id,
        ]
    };
    let header = ["first (KST)", "times", "vendor", "account", "signed by", "why it cannot be read", "event"];
    output::table(header, events.into_iter().map(row).collect(), "nothing is quarantined")?;
    if !next_page_token.is_empty() {
        output::line(format_args!("more: --page-token {next_page_token}"))?;
    }
    Ok(())
}

async fn every_id(client: &mut WebhookAdmin) -> anyhow::Result<Vec<String>> {
    let (mut ids, mut page_token) = (Vec::new(), String::new());
    loop {
        let call = ListQuarantinedEventsRequest { page_size: 1000, page_token, ..Default::default() };
        let page = client.list_quarantined_events(request(call)).await.map_err(refused)?.into_inner();
        ids.extend(page.events.into_iter().map(|event| event.quarantine_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(ids);
        }
    }
}

async fn replay(connector: &Connector, mut client: WebhookAdmin, ids: Vec<String>) -> anyhow::Result<()> {
    let mut results = Vec::with_capacity(ids.len());
    for part in ids.chunks(MOST_REPLAYED) {
        let call = ReplayQuarantinedEventsRequest { quarantine_ids: part.to_vec() };
        results.extend(client.replay_quarantined_events(request(call)).await.map_err(refused)?.into_inner().results);
    }
    let settled = |result: &&ReplayResult| matches!(result.outcome(), ReplayOutcome::Reported | ReplayOutcome::Ignored);
    let (total, done) = (results.len(), results.iter().filter(settled).count());
    if connector.is_json() {
        let response = ReplayQuarantinedEventsResponse { results };
        output::json("switchboard.dispatch.v1.ReplayQuarantinedEventsResponse", &response)?;
    } else {
        let header = ["event", "outcome", "what became of it", "message"];
        output::table(header, results.into_iter().map(replayed).collect(), "nothing is quarantined")?;
    }
    anyhow::ensure!(done == total, "{} of {total} events could not be replayed", total - done);
    Ok(())
}

fn replayed(result: ReplayResult) -> [String; 4] {
    let outcome = output::word(result.outcome().as_str_name(), "REPLAY_OUTCOME_").to_owned();
    let (what, message_id) = match result.result {
        Some(status) => (word(status.outcome()).to_owned(), status.message_id),
        None => (result.reason, String::new()),
    };
    [result.quarantine_id, outcome, what, message_id]
}

fn word(outcome: StatusOutcome) -> &'static str {
    output::word(outcome.as_str_name(), "STATUS_OUTCOME_")
}

async fn refused_updates(connector: &Connector, page_size: i32) -> anyhow::Result<()> {
    let mut client = connector.webhooks(As::Auditor)?;
    let call = request(ListRefusedUpdatesRequest { page_size });
    let response = client.list_refused_updates(call).await.map_err(refused)?.into_inner();
    if connector.is_json() {
        return output::json("switchboard.dispatch.v1.ListRefusedUpdatesResponse", &response);
    }
    let rows = response.refused_updates.into_iter().map(|update| {
        [
            output::time(update.last_time.as_ref()),
            update.seen_count.to_string(),
            update.provider,
            update.provider_account,
            update.organization_ids.join(", "),
            update.target_organization_id,
            update.message_id,
        ]
    });
    let header = ["last (KST)", "times", "vendor", "account", "who spoke", "for whom", "last message"];
    Ok(output::table(header, rows.collect(), "nobody spoke for messages of another account")?)
}
