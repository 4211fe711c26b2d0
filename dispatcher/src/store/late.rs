//! A store whose server may come later than this process: until it is open, nothing is committed and nothing is read.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Fingerprint, Forgotten, ListQuery, Presumed, Store, StoreError, Terms, Write, Written};
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

    async fn ping(&self) -> Result<(), StoreError> {
        self.store()?.ping().await
    }
}
