//! The way of events to the registered URL: queue, batches, signing, attempts, retries.
//!
//! Delivery can be held, and what is held can be delivered in another order or more than once: clients are promised
//! neither order nor exactly-once.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// In which order held events go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they happened.
    #[default]
    AsHappened,
    /// The last first.
    Reversed,
}

/// How held events go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flush {
    /// In which order.
    pub order: Order,
    /// How often each one is sent, at least 1. Default 1.
    pub copies: usize,
}

impl Default for Flush {
    fn default() -> Self {
        Self {
            order: Order::AsHappened,
            copies: 1,
        }
    }
}

/// A callback made by hand: other event types, unknown words, wrong signatures, old timestamps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomCallback {
    /// Service id or account id whose URL gets it and whose secret signs it.
    pub account: String,
    /// The body: a JSON value, or a string that is sent as it stands.
    pub body: Value,
    /// Event id of SendTalk's header; made up when left out.
    #[serde(default)]
    pub event_id: Option<String>,
    /// Signs with this secret instead, in the vendor's form.
    #[serde(default)]
    pub secret: Option<String>,
    /// Added to the timestamp, in milliseconds.
    #[serde(default)]
    pub skew_ms: i64,
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
            let batch = if outbox.held {
                Vec::new()
            } else {
                next_batch(&mut outbox.queue, limit)
            };
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
    while batch.len() < limit
        && queue
            .front()
            .is_some_and(|next| next.account == batch[0].account)
    {
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
    let status = post(
        wire,
        &mut entry,
        Signing {
            event_id: &event_id,
            secret: None,
            skew_ms: 0,
        },
        body,
    )
    .await;
    let unregistered = entry.url.is_empty();
    record(wire, entry.clone());
    match status {
        Some(status) if status.is_success() => {
            let limit = core.settings().journal_limit;
            let mut outbox = locked(&core.outbox);
            outbox.sent.extend(events);
            while outbox.sent.len() > limit {
                outbox.sent.pop_front();
            }
        }
        Some(StatusCode::GONE) if wire.batch_limit() == 1 => wire.endpoint_gone(&account),
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
        if !core
            .pause(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
            .await
        {
            return;
        }
        if locked(&core.outbox).held {
            locked(&core.outbox).queue.extend(events);
        } else {
            deliver(&again, events).await;
        }
    });
}

fn entry_for(
    wire: &Arc<dyn Wire>,
    account: &str,
    events: &[Event],
    attempt: usize,
    body: &[u8],
) -> CallbackEntry {
    CallbackEntry {
        seq: 0,
        at: wire.core().clock.now_ms(),
        account: account.to_owned(),
        url: String::new(),
        event_ids: events.iter().map(|event| event.id.clone()).collect(),
        message_ids: events
            .iter()
            .map(|event| event.message_id.clone())
            .collect(),
        attempt,
        status: None,
        error: None,
        body: String::from_utf8_lossy(body).into_owned(),
    }
}

/// How a callback is signed, apart from whose secret it is.
struct Signing<'a> {
    event_id: &'a str,
    secret: Option<&'a str>,
    skew_ms: i64,
}

/// Signs and posts; fills in URL, status and error of the entry.
async fn post(
    wire: &Arc<dyn Wire>,
    entry: &mut CallbackEntry,
    signing: Signing<'_>,
    body: Vec<u8>,
) -> Option<StatusCode> {
    let t_ms = entry.at + wire.core().settings().callback_skew_ms + signing.skew_ms;
    let outgoing = match wire.sign(
        &entry.account,
        &body,
        signing.event_id,
        signing.secret,
        t_ms,
    ) {
        Ok(outgoing) => outgoing,
        Err(why) => {
            entry.error = Some(why);
            return None;
        }
    };
    entry.url.clone_from(&outgoing.url);
    let core = wire.core();
    let mut request = core
        .http
        .post(outgoing.url)
        .timeout(wire.callback_timeout())
        .body(body);
    request = request.header(http::header::CONTENT_TYPE, "application/json");
    for (name, value) in outgoing.headers {
        request = request.header(name, value);
    }
    let answer = tokio::select! {
        answer = request.send() => answer,
        () = core.stop.cancelled() => {
            entry.error = Some("the simulator stopped".to_owned());
            return None;
        }
    };
    match answer {
        Ok(response) => {
            entry.status = Some(response.status().as_u16());
            let status = response.status();
            // Read to the end, so that the connection can be used again.
            if let Err(error) = response.bytes().await {
                entry.error = Some(error.without_url().to_string());
            }
            Some(status)
        }
        Err(error) => {
            entry.error = Some(error.without_url().to_string());
            None
        }
    }
}

fn record(wire: &Arc<dyn Wire>, entry: CallbackEntry) {
    let core = wire.core();
    let settings = core.settings();
    if settings.journal {
        locked(&core.journal).callback(entry, settings.journal_limit);
    }
}

/// Notes an event that is deliberately not sent.
pub(crate) fn record_lost(wire: &Arc<dyn Wire>, event: &Event) {
    let body = wire.pack(std::slice::from_ref(event));
    let mut entry = entry_for(wire, &event.account, std::slice::from_ref(event), 0, &body);
    entry.error = Some("not sent: the outcome says so".to_owned());
    record(wire, entry);
}

/// From now on events are kept.
pub(crate) fn hold(wire: &Arc<dyn Wire>) {
    locked(&wire.core().outbox).held = true;
}

pub(crate) fn is_held(wire: &Arc<dyn Wire>) -> bool {
    locked(&wire.core().outbox).held
}

/// Number of events waiting.
pub(crate) fn waiting(wire: &Arc<dyn Wire>) -> usize {
    locked(&wire.core().outbox).queue.len()
}

/// Delivers what is waiting, one attempt each, and returns the attempts.
pub(crate) async fn flush(wire: &Arc<dyn Wire>, how: Flush) -> Vec<CallbackEntry> {
    let mut events: VecDeque<Event> = std::mem::take(&mut locked(&wire.core().outbox).queue);
    if how.order == Order::Reversed {
        events.make_contiguous().reverse();
    }
    deliver_all(wire, events, how.copies.max(1)).await
}

/// Ends holding and delivers what is waiting.
pub(crate) async fn release(wire: &Arc<dyn Wire>, how: Flush) -> Vec<CallbackEntry> {
    let attempts = flush(wire, how).await;
    locked(&wire.core().outbox).held = false;
    // What arrived between the two goes out now as well.
    let mut all = attempts;
    all.extend(flush(wire, how).await);
    all
}

/// Sends again what was already delivered: all of it, or what concerns one message.
pub(crate) async fn repeat(wire: &Arc<dyn Wire>, message_id: Option<&str>) -> Vec<CallbackEntry> {
    let events: VecDeque<Event> = locked(&wire.core().outbox)
        .sent
        .iter()
        .filter(|event| message_id.is_none_or(|wanted| event.message_id == wanted))
        .cloned()
        .collect();
    deliver_all(wire, events, 1).await
}

async fn deliver_all(
    wire: &Arc<dyn Wire>,
    mut events: VecDeque<Event>,
    copies: usize,
) -> Vec<CallbackEntry> {
    let limit = wire
        .core()
        .settings()
        .callback_batch
        .min(wire.batch_limit());
    let mut attempts = Vec::new();
    loop {
        let batch = next_batch(&mut events, limit);
        if batch.is_empty() {
            return attempts;
        }
        for _ in 0..copies {
            attempts.extend(deliver(wire, batch.clone()).await);
        }
    }
}

/// Sends a callback made by hand, once, without retries.
pub(crate) async fn send_custom(wire: &Arc<dyn Wire>, custom: CustomCallback) -> CallbackEntry {
    let event_id = custom
        .event_id
        .unwrap_or_else(|| wire.core().ids.next("evt_"));
    let body = match custom.body {
        Value::String(text) => text.into_bytes(),
        value => value.to_string().into_bytes(),
    };
    let mut entry = entry_for(wire, &custom.account, &[], 1, &body);
    entry.event_ids.push(event_id.clone());
    let signing = Signing {
        event_id: &event_id,
        secret: custom.secret.as_deref(),
        skew_ms: custom.skew_ms,
    };
    post(wire, &mut entry, signing, body).await;
    record(wire, entry.clone());
    entry
}
