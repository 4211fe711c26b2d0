//! Events of verified callbacks that could not be read: kept as they came, and read anew once that may succeed.
//!
//! The gateway keeps nothing, so it hands them on; a replay reads them here, with the vendor's own parser, and applies
//! them as if they had just come in, for the account and the organisations whose secret had signed them.

use std::{collections::HashMap, sync::Arc};

use switchboard_providers::{Registry, WebhookEvent};
use switchboard_runtime::{Ids, SharedClock};

use super::Reports;
use crate::{
    history::{HistoryError, ReportResult},
    message::Report,
    store::{QuarantineQuery, Quarantined, Room, Signer, StatusUpdate, Store, Unreadable},
};

/// How much is kept for one vendor account. Past it the vendor is told to come again, which loses nothing at once.
const ROOM: Room = Room { events: 1000, bytes: 16 << 20 };

/// Keeps events and reads them anew. Clones are the same.
#[derive(Clone)]
pub struct Quarantine {
    store: Arc<dyn Store>,
    reports: Reports,
    registry: Registry,
    clock: SharedClock,
    ids: Ids,
}

/// An account has too many events in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this vendor account has too many unreadable events: replay them or wait until they are forgotten")]
pub struct NoRoom;

/// What became of a replayed event.
pub enum Outcome {
    /// It was reported. It has left the quarantine.
    Reported(ReportResult),
    /// It is not about a message. It has left the quarantine.
    Ignored,
    /// It still cannot be read.
    Unreadable(String),
    /// There is no such event.
    Missing,
}

impl Quarantine {
    /// Puts the parts together.
    pub fn new(store: Arc<dyn Store>, reports: Reports, registry: Registry, clock: SharedClock, ids: Ids) -> Self {
        Self { store, reports, registry, clock, ids }
    }

    /// Keeps events; committed when this returns. How many are new.
    ///
    /// # Errors
    ///
    /// When the store cannot be written: none is kept.
    pub async fn set_aside(&self, events: Vec<Unreadable>) -> Result<Result<u32, NoRoom>, HistoryError> {
        let now = self.clock.now();
        let by_provider = events.iter().fold(HashMap::<String, u64>::new(), |mut counts, event| {
            *counts.entry(event.signer.provider.clone()).or_default() += 1;
            counts
        });
        let events = events.into_iter().map(|event| (self.ids.next(now), event)).collect();
        let Some(added) = self.store.set_aside(events, ROOM, now).await? else { return Ok(Err(NoRoom)) };
        for (provider, count) in by_provider {
            metrics::counter!("switchboard_quarantined_total", "provider" => provider).increment(count);
        }
        Ok(Ok(added))
    }

    /// A page of the events that are kept, oldest first.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn list(&self, query: &QuarantineQuery) -> Result<Vec<Quarantined>, HistoryError> {
        Ok(self.store.quarantined(query).await?)
    }

    /// Reads events anew and applies what can be read; what became of each, in the order of the ids. Events that
    /// `may_touch` does not allow are as good as not there.
    ///
    /// # Errors
    ///
    /// When the store cannot be used. What was applied by then leaves the quarantine with the next replay.
    pub async fn replay(
        &self,
        ids: &[String],
        may_touch: impl Fn(&Signer) -> bool,
    ) -> Result<Vec<Outcome>, HistoryError> {
        let found = self.store.quarantined_by_id(ids).await?;
        let mut found: HashMap<String, Quarantined> = found
            .into_iter()
            .filter(|kept| may_touch(&kept.event.signer))
            .map(|kept| (kept.id.clone(), kept))
            .collect();
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in ids {
            // An id that is given twice is missing the second time, as it would be in a second call.
            let outcome = match found.remove(id) {
                Some(kept) => self.replay_one(kept).await?,
                None => Outcome::Missing,
            };
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn replay_one(&self, kept: Quarantined) -> Result<Outcome, HistoryError> {
        let Quarantined { id, event: Unreadable { signer, raw, .. }, .. } = kept;
        let outcome = match self.read(&signer, &raw) {
            WebhookEvent::Malformed { why, .. } => return Ok(Outcome::Unreadable(why)),
            WebhookEvent::Ignored { .. } => Outcome::Ignored,
            WebhookEvent::Report(report) => {
                let update = StatusUpdate::of_vendor(signer, *report, self.clock.now());
                match self.reports.apply(vec![update]).await?.pop() {
                    Some(result) => Outcome::Reported(result),
                    None => return Err(HistoryError::Inconsistent),
                }
            }
        };
        self.store.release(&id).await?;
        metrics::counter!("switchboard_quarantine_replayed_total").increment(1);
        Ok(outcome)
    }

    fn read(&self, signer: &Signer, raw: &[u8]) -> WebhookEvent {
        let malformed = |why: &str| WebhookEvent::Malformed { index: 0, why: why.to_owned(), raw: String::new() };
        match (self.registry.get(&signer.provider), std::str::from_utf8(raw)) {
            (Some(vendor), Ok(raw)) => vendor.webhooks().parse_element(raw),
            (None, _) => malformed("this version does not know the vendor"),
            (_, Err(_)) => malformed("it is not UTF-8"),
        }
    }
}

impl StatusUpdate {
    /// What a vendor said, as a callback or when asked; `signer` vouches for it.
    pub fn of_vendor(
        signer: Signer,
        report: switchboard_providers::model::Report,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Self {
        Self {
            provider: signer.provider,
            provider_account: signer.provider_account,
            organization_ids: signer.organization_ids,
            client_reference: report.client_reference.clone(),
            event_key: report.event_key.clone(),
            report: Report::of_vendor(report, now),
            at: now,
        }
    }
}
