//! Which organisation is mapped to what, from memory.
//!
//! The watch keeps the cache in step. As long as it is proven healthy, memory is the truth and a look-up costs no I/O.
//! When it is not, entries are good for the TTL after the stream was last heard; then each is asked for again, once for
//! all who wait; and when config-service cannot be reached the last known entry serves, loudly, up to the maximum
//! staleness. A dispatcher that starts meanwhile goes on with what was [`Kept`].

mod answers;
mod cache;
mod choose;
mod entry;
mod kept;
mod refresh;
mod sink;

use std::{sync::Arc, time::Duration};

use switchboard_providers::Registry;
use switchboard_runtime::{
    Lifecycle,
    grpc::client::AuthorizedChannel,
    http::Check,
    watch_client::{self, Subscriber, WatchStatus},
};
use tokio::time::Instant;

use self::{
    answers::{Answers, Origin},
    cache::{Cache, Slot},
    refresh::Refresh,
    sink::Sink,
};
use crate::{message::Route, outbound::Lanes};

pub use choose::{Choice, Unroutable};
pub use entry::{Account, Canary, Entry};
pub use kept::{FileShelf, Kept, RedisShelf, SnapshotKey, SnapshotKeyError};

/// The reserved organisation whose account serves whoever has no mapping.
pub const DEFAULT_ORGANIZATION: &str = "default";
/// The vendor that serves them where its routing names none: the one that all had before there was a choice.
const DEFAULT_PROVIDER: &str = "cloudmsg";

/// How long what is in memory may be believed.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// Without a healthy stream, how long an entry is good before it is asked for again.
    pub cache_ttl: Duration,
    /// How long an entry serves when config-service cannot be reached.
    pub max_stale: Duration,
    /// Whether organisations that config-service does not know are refused instead of served by the default account.
    pub require_known_organization: bool,
}

/// Why an organisation's mapping is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nothing in memory that may be believed, and config-service cannot be reached.
    #[error(
        "the mapping of organisation {organization_id} is not known: config-service cannot be reached and nothing recent enough is in memory"
    )]
    Unavailable {
        /// The organisation.
        organization_id: String,
    },
    /// There is no such organisation, and only known ones are served.
    #[error("there is no organisation {0}")]
    UnknownOrganization(String),
    /// Neither a mapping nor a platform default.
    #[error(
        "the organisation {0} has no mapping, and the reserved organisation `default` has no vendor account that could serve it"
    )]
    NoDefault(String),
}

/// Where the mappings come from.
pub struct Source {
    /// Who follows config-service.
    pub subscriber: Subscriber,
    /// The way there.
    pub channel: AuthorizedChannel,
    /// Where the last known mappings are kept for the next start; `None`: nowhere.
    pub kept: Option<Kept>,
}

/// The mappings in memory.
pub struct Resolver {
    cache: Arc<Cache>,
    status: Arc<WatchStatus>,
    refresh: Refresh,
    freshness: Freshness,
    answers: Answers,
}

impl Resolver {
    /// Starts following config-service.
    pub fn start(
        source: Source,
        registry: Registry,
        lanes: Lanes,
        freshness: Freshness,
        lifecycle: &Lifecycle,
        check: Check,
    ) -> Self {
        let Source { subscriber, channel, kept } = source;
        let (cache, kept) = (Arc::new(Cache::new()), kept.map(Arc::new));
        let sink = Arc::new(Sink { cache: Arc::clone(&cache), registry, lanes, kept: kept.clone() });
        let refresh = Refresh::new(channel.clone(), Arc::clone(&sink), lifecycle.clone());
        let status = watch_client::spawn(subscriber, channel, sink, lifecycle, check);
        if let Some(kept) = kept {
            kept.start(Arc::clone(&status), lifecycle);
        }
        Self { cache, status, refresh, freshness, answers: Answers::new() }
    }

    /// The entry that serves an organisation: its own, or the platform default's if it has no mapping.
    ///
    /// # Errors
    ///
    /// When the mapping is not known.
    pub async fn resolve(&self, organization_id: &str) -> Result<Arc<Entry>, ResolveError> {
        match self.entry(organization_id).await? {
            Some(entry) if entry.primary.is_some() => return Ok(entry),
            None if self.freshness.require_known_organization => {
                return Err(ResolveError::UnknownOrganization(organization_id.to_owned()));
            }
            _ => {}
        }
        match self.entry(DEFAULT_ORGANIZATION).await? {
            Some(entry) if entry.primary.is_some() => Ok(entry),
            _ => Err(ResolveError::NoDefault(organization_id.to_owned())),
        }
    }

    /// The account that a recorded message goes through, if it is still there.
    pub async fn account(&self, route: &Route) -> Option<Arc<Account>> {
        let entry = self.entry(&route.account_organization_id).await.ok().flatten()?;
        let account = entry.accounts.get(&route.provider)?;
        (account.provider_account == route.provider_account).then(|| Arc::clone(account))
    }

    /// What is known of an organisation; `None`: it does not exist.
    async fn entry(&self, organization_id: &str) -> Result<Option<Arc<Entry>>, ResolveError> {
        let now = Instant::now();
        if self.status.is_healthy(now) {
            self.answers.count_current();
            return Ok(self.cache.entry(organization_id));
        }
        let known = self.cache.get(organization_id);
        let age = known.as_ref().map(|slot| self.age(slot, now));
        if let Some(slot) = known.as_ref().filter(|_| age.is_some_and(|age| age < self.freshness.cache_ttl)) {
            self.answers.count(Origin::Memory, age);
            return Ok(slot.entry.clone());
        }
        match self.refresh.once(organization_id).await {
            Ok(entry) => {
                self.answers.count(Origin::Refreshed, Some(Duration::ZERO));
                Ok(entry)
            }
            Err(_) => self.last_known(organization_id, known, age),
        }
    }

    /// Config-service cannot be reached: what was known last, up to the maximum staleness.
    fn last_known(
        &self,
        organization_id: &str,
        known: Option<Slot>,
        age: Option<Duration>,
    ) -> Result<Option<Arc<Entry>>, ResolveError> {
        match (known, age.or_else(|| self.status.age(Instant::now()))) {
            (Some(slot), Some(age)) if age < self.freshness.max_stale => {
                self.answers.count(Origin::Stale, Some(age));
                Ok(slot.entry)
            }
            // The last snapshot did not have it, so it had no mapping then.
            (None, Some(age)) if age < self.freshness.max_stale && !self.cache.is_empty() => {
                self.answers.count(Origin::Stale, Some(age));
                Ok(None)
            }
            _ => {
                self.answers.count(Origin::Unavailable, None);
                Err(ResolveError::Unavailable { organization_id: organization_id.to_owned() })
            }
        }
    }

    /// How long ago an entry was last known to be so: by the stream, which brings every change, or by asking.
    fn age(&self, slot: &Slot, now: Instant) -> Duration {
        let asked = slot.age + now.duration_since(slot.confirmed);
        self.status.last_heard().map_or(asked, |heard| asked.min(now.duration_since(heard)))
    }
}
