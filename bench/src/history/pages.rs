//! Pages of a long history, one after the other.

use std::collections::BTreeMap;

use anyhow::Context as _;
use secrecy::SecretString;
use switchboard_proto::dispatch::v1::{ListMessagesRequest, MessageFilter, MessageStatus};
use switchboard_runtime::error::describe;
use tokio::time::Instant;

use crate::{load, stats::Latencies};

/// Pages of one list that are read before another begins.
const DEPTH: u32 = 20;
/// Requests that warm up whatever is cold.
const WARM_UP: u32 = 100;

/// Lists that operators look at.
const LISTS: [&str; 3] = ["all of an organisation", "delivered", "of one recipient"];

/// Reads so many pages of each list.
///
/// # Errors
/// When one is refused, or holds nothing.
pub(super) async fn list(
    url: &str,
    token: &SecretString,
    organizations: &[String],
    pages: u32,
) -> anyhow::Result<BTreeMap<&'static str, Latencies>> {
    let mut client = load::clients(url, token, 1)?.pop().context("no client")?;
    let mut all = BTreeMap::new();
    for what in LISTS {
        let mut latencies = Latencies::new()?;
        let (mut page_token, mut recipient) = (String::new(), String::new());
        for page in 0..pages + WARM_UP {
            let organization = &organizations[usize::try_from(page / DEPTH)? % organizations.len()];
            if page % DEPTH == 0 {
                page_token.clear();
                recipient.clear();
            }
            let mut filter = MessageFilter::default();
            match what {
                "delivered" => filter.status.push(MessageStatus::Delivered.into()),
                "of one recipient" => filter.to.clone_from(&recipient),
                _ => {}
            }
            let request = ListMessagesRequest {
                organization_id: organization.clone(),
                filter: Some(filter),
                page_size: 50,
                page_token: page_token.clone(),
                ..ListMessagesRequest::default()
            };
            let begun = Instant::now();
            let reply = client.list_messages(request).await;
            let took = begun.elapsed();
            let reply = reply.map_err(|status| anyhow::anyhow!("{what}: {}", describe(&status)))?.into_inner();
            let last = reply.messages.last().with_context(|| format!("{what}: a page without messages"))?;
            if page >= WARM_UP {
                latencies.record(took);
            }
            if what == "of one recipient" {
                // Few have had more than a page: another recipient each time.
                recipient.clone_from(&last.to);
            } else {
                page_token = reply.next_page_token;
            }
        }
        all.insert(what, latencies);
    }
    Ok(all)
}
