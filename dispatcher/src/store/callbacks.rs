//! What callbacks bring that cannot simply be applied: events that cannot be read, and updates that speak for messages
//! of others.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ring::digest::{Context, SHA256};

use super::StoreError;

/// Where they are kept.
#[async_trait]
pub trait Callbacks {
    /// Keeps events, each under the id that comes with it; one that is kept already is counted once more. `None`: an
    /// account has no room for what is new, and none of them is kept. Else how many are new.
    ///
    /// # Errors
    ///
    /// Nothing was kept.
    async fn set_aside(
        &self,
        events: Vec<(String, Unreadable)>,
        room: Room,
        at: DateTime<Utc>,
    ) -> Result<Option<u32>, StoreError>;

    /// A page of the events that are kept, oldest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    async fn quarantined(&self, query: &QuarantineQuery) -> Result<Vec<Quarantined>, StoreError>;

    /// The events with these ids, as far as they are kept.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    async fn quarantined_by_id(&self, ids: &[String]) -> Result<Vec<Quarantined>, StoreError>;

    /// Keeps an event no longer.
    ///
    /// # Errors
    ///
    /// It is still kept.
    async fn release(&self, id: &str) -> Result<(), StoreError>;

    /// Notes refused updates.
    ///
    /// # Errors
    ///
    /// None is noted.
    async fn note_refusals(&self, refusals: Vec<Refusal>, at: DateTime<Utc>) -> Result<(), StoreError>;

    /// The refusals noted, the latest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    async fn refusals(&self, limit: u32) -> Result<Vec<Noted>, StoreError>;
}

/// An event of a verified callback that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Who vouches for it.
    pub signer: Signer,
    /// What is wrong with it, without any value of it.
    pub reason: String,
    /// As it came.
    pub raw: Vec<u8>,
}

/// Whose signature a callback bore.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signer {
    /// Code of the vendor.
    pub provider: String,
    /// The account as the vendor names it.
    pub provider_account: String,
    /// The organisations whose secret fits, in order.
    pub organization_ids: Vec<String>,
}

/// How much is kept for one vendor account: a secret holder must not fill the disk.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Events.
    pub events: u32,
    /// Bytes of events.
    pub bytes: u64,
}

impl Room {
    /// Whether so much is more than there is room for.
    pub(super) fn is_exceeded(self, events: i64, bytes: i64) -> bool {
        events > i64::from(self.events) || u64::try_from(bytes).unwrap_or_default() > self.bytes
    }
}

/// An event that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Our id, time-ordered.
    pub id: String,
    /// The event.
    pub event: Unreadable,
    /// How often it came.
    pub seen: u64,
    /// When it came first.
    pub first_time: DateTime<Utc>,
    /// When it came last.
    pub last_time: DateTime<Utc>,
}

/// A page of quarantined events.
#[derive(Clone, Debug, Default)]
pub struct QuarantineQuery {
    /// Signed by this organisation, perhaps among others.
    pub organization_id: Option<String>,
    /// Of this vendor.
    pub provider: Option<String>,
    /// Everything younger than this event: when it came first, and its id.
    pub after: Option<(DateTime<Utc>, String)>,
    /// At most so many.
    pub limit: u32,
}

/// An update that was refused, since it speaks for a message of another account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who spoke.
    pub signer: Signer,
    /// The organisation spoken for.
    pub target: String,
    /// Its message.
    pub message_id: String,
}

/// Refusals of one kind, as they are noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The last of them.
    pub refusal: Refusal,
    /// How many there were.
    pub seen: u64,
    /// When the first came.
    pub first_time: DateTime<Utc>,
    /// When the last came.
    pub last_time: DateTime<Utc>,
}

impl Unreadable {
    /// The same for the same event from the same signer.
    pub(super) fn digest(&self) -> Vec<u8> {
        let Signer { provider, provider_account, organization_ids } = &self.signer;
        let mut digest = Context::new(&SHA256);
        let organizations = organization_ids.iter().map(String::as_bytes);
        for part in [provider.as_bytes(), provider_account.as_bytes()].into_iter().chain(organizations) {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        // Longer than any name: what follows is the event.
        digest.update(&u64::MAX.to_be_bytes());
        digest.update(&self.raw);
        digest.finish().as_ref().to_vec()
    }
}

/// Events by their digest, each with its id and how often it is among them: in an order in which two replicas never lock
/// rows crosswise.
pub(super) fn together(events: Vec<(String, Unreadable)>) -> BTreeMap<Vec<u8>, (String, Unreadable, i64)> {
    let mut together = BTreeMap::new();
    for (id, event) in events {
        together.entry(event.digest()).or_insert((id, event, 0)).2 += 1;
    }
    together
}

/// Refusals by who spoke for whom, each with its last message and how many there are.
pub(super) fn counted(refusals: Vec<Refusal>) -> BTreeMap<(Signer, String), (String, i64)> {
    let mut counted = BTreeMap::new();
    for Refusal { signer, target, message_id } in refusals {
        let entry = counted.entry((signer, target)).or_insert((String::new(), 0));
        *entry = (message_id, entry.1 + 1);
    }
    counted
}

/// Organisations as they are stored, read back.
pub(super) fn organizations(json: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Inconsistent {
        message_id: String::new(),
        why: format!("the organisations of a callback cannot be read: {error}"),
    })
}
