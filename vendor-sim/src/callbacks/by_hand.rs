//! Callbacks held, reordered, repeated and forged: clients are promised neither order nor exactly-once.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::post::{Signing, entry_for, post, record};
use super::{Event, deliver, next_batch};
use crate::core::{Wire, locked};
use crate::journal::CallbackEntry;

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
        Self { order: Order::AsHappened, copies: 1 }
    }
}

/// A callback made by hand: other event types, unknown words, wrong signatures, old timestamps.
#[derive(Clone, Debug, Default, Deserialize)]
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

async fn deliver_all(wire: &Arc<dyn Wire>, mut events: VecDeque<Event>, copies: usize) -> Vec<CallbackEntry> {
    let limit = wire.core().settings().callback_batch.min(wire.batch_limit());
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
    let event_id = custom.event_id.unwrap_or_else(|| wire.core().ids.next("evt_"));
    let body = match custom.body {
        Value::String(text) => text.into_bytes(),
        value => value.to_string().into_bytes(),
    };
    let mut entry = entry_for(wire, &custom.account, &[], 1, &body);
    entry.event_ids.push(event_id.clone());
    let signing = Signing { event_id: &event_id, secret: custom.secret.as_deref(), skew_ms: custom.skew_ms };
    post(wire, &mut entry, signing, body).await;
    record(wire, entry.clone());
    entry
}
