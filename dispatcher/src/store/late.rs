//! A store whose server may come later than this process: until it is open, nothing is committed and nothing is read.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    Callbacks, Census, Fingerprint, Forgotten, ListQuery, Noted, Presumed, QuarantineQuery, Quarantined, Refusal, Room,
    Store, StoreError, Terms, Unreadable, Write, Written,
};
use switchboard_runtime::telemetry::PoolUse;

use crate::message::Message;

/// A store that may come later.
pub struct LateStore {
    store: OnceLock<Arc<dyn Store>>,
    reconcile_after: Duration,
}

impl LateStore {
    /// One that is not there yet. `reconcile_after` is how long after its last move a message must be looked after.
    pub fn new(reconcile_after: Duration) -> Self {
        Self { store: OnceLock::new(), reconcile_after }
    }

    /// From now on everything goes to `store`. Only the first time counts.
    pub fn open(&self, store: Arc<dyn Store>) {
        if self.store.set(store).is_err() {
            tracing::error!("the history was open already");
        }
    }

    fn store(&self) -> Result<&Arc<dyn Store>, StoreError> {
        self.store.get().ok_or(StoreError::NotOpen)
    }
}

#[async_trait]
impl Store for LateStore {
    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Written>, StoreError> {
        self.store()?.commit(writes).await
    }

    async fn presume(&self, presumed: &Presumed) -> Result<Vec<String>, StoreError> {
        self.store()?.presume(presumed).await
    }

    fn reconcile_after(&self) -> Duration {
        self.reconcile_after
    }

    async fn message(&self, message_id: &str) -> Result<Option<Message>, StoreError> {
        self.store()?.message(message_id).await
    }

    async fn by_request_id(
        &self,
        organization_id: &str,
        request_id: &str,
    ) -> Result<Option<(Message, Fingerprint)>, StoreError> {
        self.store()?.by_request_id(organization_id, request_id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<Message>, StoreError> {
        self.store()?.list(query).await
    }

    async fn claim_due(&self, now: DateTime<Utc>, limit: u32) -> Result<Vec<Message>, StoreError> {
        self.store()?.claim_due(now, limit).await
    }

    async fn tidy(&self, now: DateTime<Utc>, terms: &Terms, batch: u32) -> Result<Forgotten, StoreError> {
        self.store()?.tidy(now, terms, batch).await
    }

    async fn census(&self, now: DateTime<Utc>) -> Result<Census, StoreError> {
        self.store()?.census(now).await
    }

    async fn lead(&self) -> Result<bool, StoreError> {
        match self.store.get() {
            Some(store) => store.lead().await,
            None => Ok(false),
        }
    }

    async fn resign(&self) {
        if let Some(store) = self.store.get() {
            store.resign().await;
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store()?.ping().await
    }

    fn pools(&self) -> Vec<PoolUse> {
        self.store.get().map(|store| store.pools()).unwrap_or_default()
    }
}

#[async_trait]
impl Callbacks for LateStore {
    async fn set_aside(
        &self,
        events: Vec<(String, Unreadable)>,
        room: Room,
        at: DateTime<Utc>,
    ) -> Result<Option<u32>, StoreError> {
        self.store()?.set_aside(events, room, at).await
    }

    async fn quarantined(&self, query: &QuarantineQuery) -> Result<Vec<Quarantined>, StoreError> {
        self.store()?.quarantined(query).await
    }

    async fn quarantined_by_id(&self, ids: &[String]) -> Result<Vec<Quarantined>, StoreError> {
        self.store()?.quarantined_by_id(ids).await
    }

    async fn release(&self, id: &str) -> Result<(), StoreError> {
        self.store()?.release(id).await
    }

    async fn note_refusals(&self, refusals: Vec<Refusal>, at: DateTime<Utc>) -> Result<(), StoreError> {
        self.store()?.note_refusals(refusals, at).await
    }

    async fn refusals(&self, limit: u32) -> Result<Vec<Noted>, StoreError> {
        self.store()?.refusals(limit).await
    }
}
