//! The way of events to the registered URL: queue, batches, attempts, retries.

mod by_hand;
mod post;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

pub use self::by_hand::{CustomCallback, Flush, Order};
pub(crate) use self::by_hand::{flush, hold, is_held, release, repeat, send_custom, waiting};
pub(crate) use self::post::record_lost;
use self::post::{Signing, entry_for, post, record};
use crate::core::{Wire, locked};
use crate::journal::CallbackEntry;

/// One event about one message.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) message_id: String,
    pub(crate) body: Value,
    /// Attempts so far.
    pub(crate) attempts: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    held: bool,
    queue: VecDeque<Event>,
    sent: VecDeque<Event>,
    workers: usize,
}

/// A delivery under way; it ends with its journal entry.
pub(crate) type Delivery<'a> = Pin<Box<dyn Future<Output = Option<CallbackEntry>> + Send + 'a>>;

/// Queues an event for delivery.
pub(crate) fn push(wire: &Arc<dyn Wire>, event: Event) {
    let core = wire.core();
    let concurrency = core.settings().callback_concurrency;
    let start_worker = {
        let mut outbox = locked(&core.outbox);
        outbox.queue.push_back(event);
        let start = !outbox.held && outbox.workers < concurrency;
        outbox.workers += usize::from(start);
        start
    };
    if start_worker {
        core.tracker.spawn(work(Arc::clone(wire)));
    }
}

async fn work(wire: Arc<dyn Wire>) {
    let core = wire.core();
    loop {
        let limit = core.settings().callback_batch.min(wire.batch_limit());
        let batch = {
            let mut outbox = locked(&core.outbox);
            let batch = if outbox.held { Vec::new() } else { next_batch(&mut outbox.queue, limit) };
            if batch.is_empty() {
                outbox.workers -= 1;
                return;
            }
            batch
        };
        deliver(&wire, batch).await;
    }
}

/// Events of one account from the front of the queue.
fn next_batch(queue: &mut VecDeque<Event>, limit: usize) -> Vec<Event> {
    let Some(first) = queue.pop_front() else {
        return Vec::new();
    };
    let mut batch = vec![first];
    while batch.len() < limit && queue.front().is_some_and(|next| next.account == batch[0].account) {
        batch.extend(queue.pop_front());
    }
    batch
}

/// One attempt to deliver these events; on failure the next one is scheduled.
pub(crate) fn deliver(wire: &Arc<dyn Wire>, events: Vec<Event>) -> Delivery<'_> {
    Box::pin(attempt(wire, events))
}

async fn attempt(wire: &Arc<dyn Wire>, mut events: Vec<Event>) -> Option<CallbackEntry> {
    let core = wire.core();
    let first = events.first()?;
    let (account, event_id) = (first.account.clone(), first.id.clone());
    for event in &mut events {
        event.attempts += 1;
    }
    let attempt = events.iter().map(|event| event.attempts).max().unwrap_or(1);
    let body = wire.pack(&events);
    let mut entry = entry_for(wire, &account, &events, attempt, &body);
    let status = post(wire, &mut entry, Signing { event_id: &event_id, secret: None, skew_ms: 0 }, body).await;
    let unregistered = entry.url.is_empty();
    record(wire, entry.clone());
    match status {
        Some(status) if status.is_success() => {
            let settings = core.settings();
            let limit = if settings.journal { settings.journal_limit } else { 0 };
            let mut outbox = locked(&core.outbox);
            outbox.sent.extend(events);
            while outbox.sent.len() > limit {
                outbox.sent.pop_front();
            }
        }
        Some(StatusCode::GONE) if wire.endpoint_gone(&account) => {}
        _ if unregistered => {}
        _ => schedule_retry(wire, events, attempt),
    }
    Some(entry)
}

fn schedule_retry(wire: &Arc<dyn Wire>, events: Vec<Event>, attempt: usize) {
    let core = wire.core();
    let Some(wait) = wire.retry_schedule().get(attempt - 1) else {
        tracing::warn!(attempt, "a callback was given up after its last attempt");
        return;
    };
    let wait = wait.mul_f64(core.settings().retry_scale);
    let again = Arc::clone(wire);
    core.tracker.spawn(async move {
        let core = again.core();
        if !core.pause(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)).await {
            return;
        }
        if locked(&core.outbox).held {
            locked(&core.outbox).queue.extend(events);
        } else {
            deliver(&again, events).await;
        }
    });
}
