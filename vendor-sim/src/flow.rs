//! The life of a message after it was accepted: with the carrier, result, the vendor's own fallback, an event for each.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::callbacks::{self, Event};
use crate::core::{Wire, locked};
use crate::message::{Channel, Message, State};
use crate::outcome::{Callbacks, End, Outcome};

/// Stores an accepted message and starts its life. Ends at once, unless its callbacks must come before the answer.
pub(crate) async fn accept(wire: &Arc<dyn Wire>, message: Message, scripted: Option<Outcome>) {
    let core = wire.core();
    let outcome =
        scripted.unwrap_or_else(|| locked(&core.outcomes).choose(&message.account, message.channel, &message.to));
    let id = message.message_id.clone();
    locked(&core.store).insert(message, core.settings().message_limit);
    let life = live(Arc::clone(wire), id, outcome.clone());
    // A task of its own, so that a client that hangs up does not end the message's life.
    let living = core.tracker.spawn(life);
    if outcome.callbacks == Callbacks::BeforeAnswer && living.await.is_err() {
        tracing::warn!("a message's life ended early");
    }
}

fn live(wire: Arc<dyn Wire>, id: String, outcome: Outcome) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let _ = Life { wire, id, outcome }.run().await;
    })
}

struct Life {
    wire: Arc<dyn Wire>,
    id: String,
    outcome: Outcome,
}

impl Life {
    /// `None` when the simulator stops or the message was forgotten.
    async fn run(self) -> Option<()> {
        let settings = self.wire.core().settings();
        if self.outcome.end == End::StayAccepted {
            return None;
        }
        self.wait(self.outcome.accepted_for_ms.unwrap_or(settings.accepted_for_ms)).await?;
        let sent = self.change(State::WithCarrier)?;
        let progress = (settings.progress_callbacks && sent.fallback_of.is_none()).then(|| self.event(&sent));
        let late_progress = match progress {
            Some(event) if self.outcome.callbacks == Callbacks::Reversed => Some(event),
            Some(event) => {
                self.emit(event).await;
                None
            }
            None => None,
        };
        if self.outcome.end == End::StayWithCarrier {
            return None;
        }
        self.wait(self.outcome.with_carrier_for_ms.unwrap_or(settings.with_carrier_for_ms)).await?;
        self.finish().await?;
        if let Some(event) = late_progress {
            self.emit(event).await;
        }
        Some(())
    }

    async fn finish(&self) -> Option<()> {
        let state = match &self.outcome.end {
            End::Failed { code } => State::Failed { code: code.clone() },
            End::Unconfirmed { .. } => State::Unconfirmed,
            End::Other { word, code } => State::Other { word: word.clone(), code: code.clone() },
            End::Delivered | End::StayAccepted | End::StayWithCarrier => State::Delivered,
        };
        let replacement = match state {
            State::Failed { .. } => self.replacement(),
            _ => None,
        };
        // The failure and its replacement show together: a client that sees one without the other sends twice.
        let message = self.change_with(state, replacement.clone())?;
        self.emit(self.event(&message)).await;
        if let Some(id) = replacement {
            self.begin_replacement(&message, id);
        }
        if let End::Unconfirmed { delivered_after_ms: Some(ms) } = self.outcome.end {
            self.wait(ms).await?;
            let message = self.change(State::Delivered)?;
            self.emit(self.event(&message)).await;
        }
        Some(())
    }

    async fn wait(&self, ms: u64) -> Option<()> {
        let ms = if self.outcome.callbacks == Callbacks::BeforeAnswer { 0 } else { ms };
        self.wire.core().pause(ms).await.then_some(())
    }

    fn change(&self, state: State) -> Option<Message> {
        self.change_with(state, None)
    }

    fn change_with(&self, state: State, replaced_by: Option<String>) -> Option<Message> {
        let core = self.wire.core();
        let now = core.clock.now_ms();
        let mut store = locked(&core.store);
        let message = store.get_mut(&self.id)?;
        message.state = state;
        if replaced_by.is_some() {
            message.fallback_message_id = replaced_by;
        }
        message.updated_at = now;
        message.completed_at = message.state.is_final().then_some(now);
        if message.channel != Channel::Alimtalk {
            message.carrier = Some(carrier_of(&message.to).to_owned());
        }
        Some(message.clone())
    }

    /// The event about this message; a replacement reports through the Alimtalk that it replaces.
    fn event(&self, message: &Message) -> Event {
        let core = self.wire.core();
        let parent = message.fallback_of.as_ref().and_then(|id| locked(&core.store).get(id).cloned());
        let subject = parent.as_ref().unwrap_or(message);
        let id = core.ids.next("ev-");
        Event {
            body: self.wire.event(subject, &id),
            account: subject.account.clone(),
            message_id: subject.message_id.clone(),
            id,
            attempts: 0,
        }
    }

    async fn emit(&self, event: Event) {
        if !self.wire.core().settings().callbacks {
            return;
        }
        match self.outcome.callbacks {
            Callbacks::Lost => callbacks::record_lost(&self.wire, &event),
            Callbacks::Twice => {
                callbacks::push(&self.wire, event.clone());
                callbacks::push(&self.wire, event);
            }
            // Awaited, so that the order is certain.
            Callbacks::BeforeAnswer | Callbacks::Reversed if !callbacks::is_held(&self.wire) => {
                callbacks::deliver(&self.wire, vec![event]).await;
            }
            Callbacks::Normal | Callbacks::Reversed | Callbacks::BeforeAnswer => {
                callbacks::push(&self.wire, event);
            }
        }
    }

    /// Stores what the vendor sends in place of this message, if it was asked to, and returns its id.
    fn replacement(&self) -> Option<String> {
        let core = self.wire.core();
        let failing = locked(&core.store).get(&self.id)?.clone();
        let plan = failing.fallback_plan?;
        let now = core.clock.now_ms();
        let id = core.ids.next(self.wire.message_prefix());
        let replacement = Message {
            message_id: id.clone(),
            request_id: None,
            reference: None,
            idempotency_key: None,
            channel: plan.channel,
            from: Some(plan.from),
            subject: plan.subject,
            text: plan.text,
            buttons: serde_json::Value::Null,
            template_code: None,
            fallback_plan: None,
            fallback_of: Some(failing.message_id),
            state: State::WithCarrier,
            accepted_at: now,
            updated_at: now,
            completed_at: None,
            account: failing.account,
            to: failing.to,
            images: Vec::new(),
            advertisement: failing.advertisement,
            fallback_message_id: None,
            carrier: None,
        };
        locked(&core.store).insert(replacement, core.settings().message_limit);
        Some(id)
    }

    fn begin_replacement(&self, failed: &Message, id: String) {
        let core = self.wire.core();
        let channel = failed.fallback_plan.as_ref().map_or(Channel::Sms, |plan| plan.channel);
        let outcome = locked(&core.outcomes).choose(&failed.account, channel, &failed.to);
        core.tracker.spawn(live(Arc::clone(&self.wire), id, outcome));
    }
}

/// Spreads numbers over the three carriers, always the same way.
fn carrier_of(to: &str) -> &'static str {
    match to.bytes().last() {
        Some(b'0'..=b'3') => "SKT",
        Some(b'4'..=b'6') => "KT",
        _ => "LGU",
    }
}
