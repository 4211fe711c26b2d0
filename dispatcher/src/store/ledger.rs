//! Decides what writes do. Pure: an engine fills it with what is stored, applies the writes in order, and stores what
//! has changed, all in one transaction. So every engine behaves alike, and the rules stand in one place.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};

use super::{Fingerprint, NewMessage, SpokenFor, StatusOutcome, StatusUpdate, Write, Written};
use crate::message::{Applied, EventKind, Message, Settlement, State};

/// What an engine has to load before the ledger can decide.
#[derive(Debug, Default)]
pub struct Needs {
    /// Messages by our id.
    pub message_ids: Vec<String>,
    /// Messages by vendor and the vendor's id: for reports without our id.
    pub provider_ids: Vec<(String, String)>,
    /// Requests by organisation and request id.
    pub request_ids: Vec<(String, String)>,
    /// Parked reports by the vendor's id: for messages that may learn it now.
    pub parked: Vec<String>,
}

impl Needs {
    /// What these writes need.
    pub fn of(writes: &[Write]) -> Self {
        let mut needs = Self::default();
        for write in writes {
            match write {
                Write::Record(new) if !new.message.request_id.is_empty() => {
                    needs.request_ids.push((new.message.organization_id.clone(), new.message.request_id.clone()));
                }
                Write::Record(_) => {}
                Write::Settle { message_id, settlement, .. } => {
                    needs.message_ids.push(message_id.clone());
                    if let Settlement::Accepted { provider_message_id, .. } = settlement {
                        needs.parked.push(provider_message_id.clone());
                    }
                }
                Write::Resend { message_id, .. } => needs.message_ids.push(message_id.clone()),
                Write::Report(update) => {
                    if update.client_reference.is_empty() {
                        needs.provider_ids.push((update.provider.clone(), update.report.provider_message_id.clone()));
                    } else {
                        needs.message_ids.push(update.client_reference.clone());
                        needs.parked.push(update.report.provider_message_id.clone());
                    }
                }
            }
        }
        for ids in [&mut needs.message_ids, &mut needs.parked] {
            ids.sort_unstable();
            ids.dedup();
        }
        // What came without the vendor's id can never be matched by it.
        needs.parked.retain(|id| !id.is_empty());
        needs
    }
}

/// What is stored.
#[derive(Default)]
pub struct Ledger {
    /// How long after its last move a message must be looked after.
    pub reconcile_after: Duration,
    messages: HashMap<String, Entry>,
    by_provider_id: HashMap<(String, String), String>,
    requests: HashMap<(String, String), (Fingerprint, String)>,
    keys: HashSet<String>,
    parked: HashMap<String, Vec<StatusUpdate>>,
    effects: Effects,
}

struct Entry {
    message: Message,
    before: Before,
    change: Change,
}

impl Entry {
    fn new(message: Message) -> Self {
        Self { message, before: Before::default(), change: Change::New }
    }
}

#[derive(PartialEq, Eq)]
enum Change {
    None,
    New,
    Updated,
}

/// What an engine has to store.
#[derive(Default)]
pub struct Effects {
    /// New messages, in the order in which they were recorded.
    pub inserts: Vec<Message>,
    /// Messages that changed.
    pub updates: Vec<Update>,
    /// New request ids.
    pub requests: Vec<NewRequest>,
    /// New event keys, each with the message it was applied to (empty: parked) and the time.
    pub event_keys: Vec<(String, String, DateTime<Utc>)>,
    /// Reports to park.
    pub park: Vec<StatusUpdate>,
    /// Keys of parked reports that have been applied.
    pub unpark: Vec<String>,
    /// The vendors of messages about which contradicting final results were heard.
    pub conflicts: Conflicts,
}

/// Contradictions to count once they are committed.
#[derive(Clone, Default)]
pub struct Conflicts(Vec<String>);

impl Conflicts {
    /// They are committed.
    pub fn count(self) {
        for provider in self.0 {
            metrics::counter!("switchboard_status_conflicts_total", "provider" => provider).increment(1);
        }
    }
}

/// A message that changed.
pub struct Update {
    /// As it stands now.
    pub message: Message,
    /// What an engine has to know of how it stood.
    pub before: Before,
}

/// How a message stood before it changed.
#[derive(Default)]
pub struct Before {
    /// When somebody had to look after it.
    pub due_time: Option<DateTime<Utc>>,
    /// How many lines its timeline had: it only ever grows, and nothing but a claim changes a message without a line.
    pub events: usize,
    /// What the vendor called it; empty: not known.
    pub provider_message_id: String,
}

impl Before {
    /// How it stands.
    pub(super) fn of(message: &Message) -> Self {
        let receipt = message.state.receipt();
        Self {
            due_time: message.due_time,
            events: message.events.len(),
            provider_message_id: receipt.map(|receipt| receipt.provider_message_id.clone()).unwrap_or_default(),
        }
    }
}

/// A request id and what it made.
pub struct NewRequest {
    /// The organisation.
    pub organization_id: String,
    /// The request id.
    pub request_id: String,
    /// Over the content.
    pub fingerprint: Fingerprint,
    /// The message it made.
    pub message_id: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Ledger {
    /// An empty one.
    pub fn new(reconcile_after: Duration) -> Self {
        Self { reconcile_after, ..Self::default() }
    }

    /// A stored message.
    pub fn know_message(&mut self, message: Message) {
        index(&mut self.by_provider_id, &message);
        let before = Before::of(&message);
        self.messages.insert(message.id.clone(), Entry { message, before, change: Change::None });
    }

    /// A stored request id; its message must be known too.
    pub fn know_request(
        &mut self,
        organization_id: String,
        request_id: String,
        fingerprint: Fingerprint,
        message_id: String,
    ) {
        self.requests.insert((organization_id, request_id), (fingerprint, message_id));
    }

    /// A stored event key.
    pub fn know_event_key(&mut self, key: String) {
        self.keys.insert(key);
    }

    /// A parked report.
    pub fn know_parked(&mut self, update: StatusUpdate) {
        self.parked.entry(update.report.provider_message_id.clone()).or_default().push(update);
    }

    /// The event keys that must be known before these writes are applied. Ask once the messages are known: of one that no
    /// report has reached yet, none can be stored.
    pub fn event_keys(&self, writes: &[Write]) -> Vec<String> {
        let mut keys = Vec::new();
        for write in writes {
            match write {
                Write::Report(update) => {
                    let message = self.meant(update);
                    if message.is_none_or(Message::was_reported_on) {
                        keys.push(scoped_key(update, message));
                        // It may meet what has been applied already, and was not taken out of the park.
                        let receipt = message.and_then(|message| message.state.receipt());
                        let known = receipt.map(|receipt| &receipt.provider_message_id);
                        for name in known.into_iter().chain([&update.report.provider_message_id]) {
                            keys.extend(self.keys_of_parked(name, message));
                        }
                    }
                }
                Write::Settle { message_id, settlement: Settlement::Accepted { provider_message_id, .. }, .. } => {
                    let message = self.messages.get(message_id).map(|entry| &entry.message);
                    keys.extend(self.keys_of_parked(provider_message_id, message));
                }
                Write::Record(_) | Write::Settle { .. } | Write::Resend { .. } => {}
            }
        }
        keys
    }

    /// The keys of what is parked by a vendor's id, once it is applied to a message.
    fn keys_of_parked(&self, provider_message_id: &str, message: Option<&Message>) -> impl Iterator<Item = String> {
        let waiting = self.parked.get(provider_message_id).into_iter().flatten();
        waiting.map(move |update| scoped_key(update, message))
    }

    /// The message that a report is about. Our reference wins over the vendor's id.
    fn meant(&self, update: &StatusUpdate) -> Option<&Message> {
        let message_id = if update.client_reference.is_empty() {
            self.by_provider_id.get(&(update.provider.clone(), update.report.provider_message_id.clone()))?
        } else {
            &update.client_reference
        };
        self.messages.get(message_id).map(|entry| &entry.message)
    }

    /// Decides one write.
    pub fn apply(&mut self, write: Write) -> Written {
        match write {
            Write::Record(new) => self.record(*new),
            Write::Settle { message_id, settlement, at } => {
                let Some(entry) = self.messages.get_mut(&message_id) else { return Written::Missing };
                settle(&mut entry.message, settlement, at, self.reconcile_after);
                if entry.message.events.last().is_some_and(|event| event.kind == EventKind::Conflict) {
                    self.effects.conflicts.0.push(entry.message.route.provider.clone());
                }
                self.moved(&message_id);
                self.unpark(&message_id, at);
                self.settled(&message_id, at)
            }
            Write::Resend { message_id, claim, at } => {
                let Some(entry) = self.messages.get_mut(&message_id) else { return Written::Missing };
                let may = entry.message.checks == claim && !entry.message.was_resent();
                if !may || !matches!(entry.message.state, State::InDoubt) {
                    return Written::ClaimLost;
                }
                entry.message.settle(Settlement::Resend, at);
                self.touch(&message_id, at);
                self.settled(&message_id, at)
            }
            Write::Report(update) => self.report(*update),
        }
    }

    /// What has to be stored.
    pub fn into_effects(mut self) -> Effects {
        let mut changed: Vec<Entry> =
            self.messages.into_values().filter(|entry| entry.change != Change::None).collect();
        // Always in the order of their ids, so that two replicas never lock rows crosswise.
        changed.sort_unstable_by(|a, b| a.message.id.cmp(&b.message.id));
        for entry in changed {
            match entry.change {
                Change::New => self.effects.inserts.push(entry.message),
                _ => self.effects.updates.push(Update { message: entry.message, before: entry.before }),
            }
        }
        self.effects
    }

    fn settled(&mut self, message_id: &str, at: DateTime<Utc>) -> Written {
        let fallback = self.fall_back(message_id, at);
        match self.messages.get(message_id) {
            Some(entry) => Written::Settled { message: Arc::new(entry.message.clone()), fallback },
            None => Written::Missing,
        }
    }

    /// Records the text that is owed in place of a message that has just failed for good: in the same transaction, and
    /// linked, so that it is never made twice.
    fn fall_back(&mut self, message_id: &str, at: DateTime<Utc>) -> Option<Box<Message>> {
        let entry = self.messages.get_mut(message_id)?;
        let child = entry.message.fall_back(at)?;
        self.mark(message_id);
        let mut child = child;
        child.due_time = Some(at + self.reconcile_after);
        self.messages.insert(child.id.clone(), Entry::new(child.clone()));
        Some(Box::new(child))
    }

    fn record(&mut self, new: NewMessage) -> Written {
        let NewMessage { mut message, fingerprint } = new;
        if !message.request_id.is_empty() {
            let key = (message.organization_id.clone(), message.request_id.clone());
            if let Some((known, message_id)) = self.requests.get(&key) {
                return match self.messages.get(message_id) {
                    // Recorded by an attempt of which nobody learned how it ended, and not looked after since.
                    Some(entry) if *message_id == message.id && entry.message.events == message.events => {
                        Written::Recorded(Arc::new(entry.message.clone()))
                    }
                    Some(entry) if *known == fingerprint => Written::Existing(Box::new(entry.message.clone())),
                    _ => Written::RequestIdReused { message_id: message_id.clone() },
                };
            }
            self.effects.requests.push(NewRequest {
                organization_id: key.0.clone(),
                request_id: key.1.clone(),
                fingerprint,
                message_id: message.id.clone(),
                at: message.create_time,
            });
            self.requests.insert(key, (fingerprint, message.id.clone()));
        }
        message.due_time = Some(first_due(&message, self.reconcile_after));
        self.messages.insert(message.id.clone(), Entry::new(message.clone()));
        Written::Recorded(Arc::new(message))
    }

    fn report(&mut self, update: StatusUpdate) -> Written {
        let reported = |outcome, message_id: &str, status| Written::Reported {
            outcome,
            message_id: message_id.to_owned(),
            status,
            fallback: None,
            spoken_for: None,
        };
        let message_id = self.meant(&update).map(|message| message.id.clone());
        let Some((message_id, entry)) = message_id.and_then(|id| self.messages.get(&id).map(|entry| (id, entry)))
        else {
            let key = scoped_key(&update, None);
            if self.keys.insert(key.clone()) {
                self.effects.event_keys.push((key, String::new(), update.at));
                // The answer that makes it known may come later in the same batch.
                self.know_parked(update.clone());
                self.effects.park.push(update);
                return reported(StatusOutcome::Parked, "", None);
            }
            return reported(StatusOutcome::Duplicate, "", None);
        };
        let status = entry.message.state.status();
        if !speaks_for(&update, &entry.message) {
            let spoken_for =
                SpokenFor { organization_id: entry.message.organization_id.clone(), message_id: message_id.clone() };
            return Written::Reported {
                outcome: StatusOutcome::Foreign,
                message_id: String::new(),
                status: None,
                fallback: None,
                spoken_for: Some(spoken_for),
            };
        }
        let key = scoped_key(&update, Some(&entry.message));
        if !self.keys.insert(key.clone()) {
            return reported(StatusOutcome::Duplicate, &message_id, Some(status));
        }
        self.effects.event_keys.push((key, message_id.clone(), update.at));
        let applied = self.apply_report(&message_id, &update);
        // The message may have learned the vendor's id just now.
        self.unpark(&message_id, update.at);
        let status = self.messages.get(&message_id).map_or(status, |entry| entry.message.state.status());
        let outcome = match applied {
            Applied::Moved | Applied::Unknown => StatusOutcome::Applied,
            Applied::Stale | Applied::Conflict => StatusOutcome::Stale,
        };
        let fallback = self.fall_back(&message_id, update.at);
        Written::Reported { outcome, message_id, status: Some(status), fallback, spoken_for: None }
    }

    fn apply_report(&mut self, message_id: &str, update: &StatusUpdate) -> Applied {
        let applied = match self.messages.get_mut(message_id) {
            Some(entry) => entry.message.report(&update.report, update.at),
            None => Applied::Stale,
        };
        match applied {
            Applied::Moved => self.touch(message_id, update.at),
            Applied::Conflict => {
                self.effects.conflicts.0.push(update.provider.clone());
                self.mark(message_id);
            }
            // Nothing new was learned, so nobody has to look earlier than planned.
            Applied::Stale | Applied::Unknown => self.mark(message_id),
        }
        applied
    }

    /// Applies reports that came before the message was known by the vendor's id.
    fn unpark(&mut self, message_id: &str, at: DateTime<Utc>) {
        let Some(entry) = self.messages.get(message_id) else { return };
        let Some(receipt) = entry.message.state.receipt() else { return };
        let Some(waiting) = self.parked.remove(&receipt.provider_message_id) else { return };
        for mut update in waiting {
            let Some(entry) = self.messages.get(message_id) else { return };
            // Our reference wins over the vendor's id: what names another message is not about this one.
            let meant = update.client_reference.is_empty() || update.client_reference == message_id;
            if meant && speaks_for(&update, &entry.message) {
                self.effects.unpark.push(scoped_key(&update, None));
                let key = scoped_key(&update, Some(&entry.message));
                if self.keys.insert(key.clone()) {
                    self.effects.event_keys.push((key, message_id.to_owned(), at));
                    update.at = at;
                    self.apply_report(message_id, &update);
                }
            }
        }
    }

    /// Marks a message as changed.
    fn mark(&mut self, message_id: &str) {
        if let Some(entry) = self.messages.get_mut(message_id).filter(|entry| entry.change == Change::None) {
            entry.change = Change::Updated;
        }
    }

    /// Marks a message as moved, and says when it must be looked after next.
    fn touch(&mut self, message_id: &str, at: DateTime<Utc>) {
        if let Some(entry) = self.messages.get_mut(message_id) {
            look_after(&mut entry.message, at, self.reconcile_after);
        }
        self.moved(message_id);
    }

    /// Marks a message as moved.
    fn moved(&mut self, message_id: &str) {
        self.mark(message_id);
        if let Some(entry) = self.messages.get(message_id) {
            index(&mut self.by_provider_id, &entry.message);
        }
    }
}

/// When a new message must be looked after first.
pub(super) fn first_due(message: &Message, reconcile_after: Duration) -> DateTime<Utc> {
    message.create_time + reconcile_after
}

/// Applies what a send came to, and says when the message must be looked after next.
pub(super) fn settle(message: &mut Message, settlement: Settlement, at: DateTime<Utc>, reconcile_after: Duration) {
    message.settle(settlement, at);
    look_after(message, at, reconcile_after);
}

fn look_after(message: &mut Message, at: DateTime<Utc>, reconcile_after: Duration) {
    let waits = !message.state.is_final() && !matches!(message.state, State::Unresolved(_));
    message.due_time = waits.then(|| at + reconcile_after);
    message.checks = 0;
}

fn index(by_provider_id: &mut HashMap<(String, String), String>, message: &Message) {
    if let Some(receipt) = message.state.receipt() {
        let key = (message.route.provider.clone(), receipt.provider_message_id.clone());
        by_provider_id.insert(key, message.id.clone());
    }
}

/// Whether whoever vouches for a report may speak for a message: only the account that it was sent through, and, where
/// organisations share an account by name, only with the secret of the one whose account it is.
fn speaks_for(update: &StatusUpdate, message: &Message) -> bool {
    message.route.provider == update.provider
        && message.route.provider_account == update.provider_account
        && (update.organization_ids.is_empty()
            || update.organization_ids.contains(&message.route.account_organization_id))
}

/// The key under which an event is remembered. It holds the owner of the account (for a report without a message:
/// whoever vouches for it), so that a forged event never uses up the key of the true one.
pub fn scoped_key(update: &StatusUpdate, message: Option<&Message>) -> String {
    use ring::digest::{Context, SHA256};
    let mut digest = Context::new(&SHA256);
    let mut part = |part: &str| {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    };
    part(&update.provider);
    part(&update.provider_account);
    part(&update.event_key);
    match message {
        Some(message) => part(&message.route.account_organization_id),
        None => {
            part("parked");
            let mut organizations = update.organization_ids.clone();
            organizations.sort_unstable();
            organizations.iter().for_each(|organization| part(organization));
        }
    }
    hex::encode(digest.finish())
}
