//! Many messages of one account by few calls, where the vendor has a feed of what has changed.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt as _;
use switchboard_providers::{ResultsFeed, ResultsSpan, model::Report as VendorReport};

use super::{Reconciler, attend::delta, turn::Turn};
use crate::{
    message::{Message, State},
    resolver::Account,
};

/// From so many messages on that wait for a result the feed is read.
const WORTH_IT: usize = 5;
/// A page must save at least so many look-ups.
const LOOK_UPS_A_PAGE: usize = 4;
/// Every so many turns a message is asked about by itself, so that none hangs on the feed being whole.
const BY_ITSELF: u32 = 4;
/// How far the vendor's clock may be from ours.
const SLACK: TimeDelta = TimeDelta::minutes(5);
/// Results written at once: the history commits them together.
const AT_ONCE: usize = 64;

/// What the feed said.
struct Heard {
    reports: HashMap<String, VendorReport>,
    /// Whether whoever it does not mention has not changed.
    whole: bool,
}

impl Reconciler {
    /// Settles by the feed what can be; returns what has to be asked about one by one.
    pub(super) async fn by_feed(&self, turn: &Turn, messages: Vec<Message>) -> Vec<Message> {
        let Some(account) = turn.account.as_deref() else { return messages };
        let Some(feed) = account.vendor.results_feed else { return messages };
        let (waiting, mut rest): (Vec<_>, Vec<_>) = messages.into_iter().partition(may_be_in_a_feed);
        if waiting.len() < WORTH_IT {
            rest.extend(waiting);
            return rest;
        }
        // What the vendor has taken since is not in the feed yet. It is left to its next turn: asking about each now is
        // what the feed is there to save.
        let now = self.clock.now();
        let seen_until = now - delta(feed.behind);
        let waiting: Vec<Message> = waiting.into_iter().filter(|message| accepted(message) < seen_until).collect();
        if waiting.len() < WORTH_IT {
            rest.extend(waiting);
            return rest;
        }
        let mut heard = self.read(turn, account, feed, &waiting, now).await;
        let mut found = Vec::new();
        for message in waiting {
            match heard.reports.remove(provider_message_id(&message)) {
                Some(report) => found.push((message, Some(report))),
                None if heard.whole => found.push((message, None)),
                None => rest.push(message),
            }
        }
        let settle = |(message, report): (Message, Option<VendorReport>)| async move {
            self.heard(message, report.into_iter().collect()).await;
        };
        futures::stream::iter(found).for_each_concurrent(AT_ONCE, settle).await;
        rest
    }

    /// Reads the feed from where the oldest message may be, as long as that saves calls.
    async fn read(
        &self,
        turn: &Turn,
        account: &Account,
        feed: ResultsFeed,
        waiting: &[Message],
        now: DateTime<Utc>,
    ) -> Heard {
        let mut heard = Heard { reports: HashMap::new(), whole: false };
        let wanted: HashSet<&str> = waiting.iter().map(provider_message_id).collect();
        let Some(oldest) = waiting.iter().map(accepted).min() else { return heard };
        let (mut from, mut unreadable) = (oldest - SLACK, 0);
        let mut pages = waiting.len() / LOOK_UPS_A_PAGE;
        while from < now {
            let until = now.min(from + delta(feed.window));
            let mut cursor = String::new();
            loop {
                if pages == 0 {
                    return heard;
                }
                pages -= 1;
                let span = ResultsSpan { from, until, cursor: &cursor };
                let page = self.patiently(turn, account.lane.results(span, now)).await;
                let outcome = if page.is_some() { "read" } else { "failed" };
                metrics::counter!("switchboard_results_pages_total", "provider" => account.vendor.code, "outcome" => outcome)
                    .increment(1);
                let Some(page) = page else { return heard };
                unreadable += page.unreadable;
                for report in page.reports {
                    if wanted.contains(report.provider_message_id.as_str()) {
                        heard.reports.insert(report.provider_message_id.clone(), report);
                    }
                }
                // A cursor that does not move would never end.
                if page.next_cursor.is_empty() || page.next_cursor == cursor {
                    break;
                }
                cursor = page.next_cursor;
            }
            if heard.reports.len() == wanted.len() {
                break;
            }
            from = until;
        }
        heard.whole = unreadable == 0;
        heard
    }
}

fn may_be_in_a_feed(message: &Message) -> bool {
    let waits = matches!(message.state, State::Queued(_) | State::Sent(_));
    waits && !provider_message_id(message).is_empty() && !message.checks.is_multiple_of(BY_ITSELF)
}

fn provider_message_id(message: &Message) -> &str {
    message.state.receipt().map_or("", |receipt| receipt.provider_message_id.as_str())
}

fn accepted(message: &Message) -> DateTime<Utc> {
    message.state.receipt().map_or(message.create_time, |receipt| receipt.accept_time)
}
