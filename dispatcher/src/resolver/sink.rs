//! What the watch writes into the cache: the door through which proto entries come in.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};

use switchboard_proto::config::v1 as proto;
use switchboard_providers::{
    Credentials, Registry,
    model::{Channel, Sender},
};
use switchboard_runtime::watch_client::{Position, Recalled, Refused, WatchSink};
use tokio::time::Instant;

use super::{Account, Canary, DEFAULT_ORGANIZATION, DEFAULT_PROVIDER, Entry, Kept, cache::Cache};
use crate::outbound::Lanes;

/// Turns what config-service says into entries, and puts them into the cache.
pub(super) struct Sink {
    pub(super) cache: Arc<Cache>,
    pub(super) registry: Registry,
    pub(super) lanes: Lanes,
    pub(super) kept: Option<Arc<Kept>>,
}

impl WatchSink for Sink {
    fn replace_all(&self, entries: Vec<proto::OrganizationEntry>, position: &Position) -> Result<(), Refused> {
        if let Some(kept) = &self.kept {
            kept.replaced(&entries, position);
        }
        tracing::info!(organizations = entries.len(), revision = position.revision, "snapshot of the mappings applied");
        self.fill(entries, position, Duration::ZERO);
        Ok(())
    }

    fn apply(&self, change: proto::Change) -> Result<(), Refused> {
        if let Some(kept) = &self.kept {
            kept.changed(&change);
        }
        let entry = change.entry.map(|entry| self.open(entry));
        self.cache.change(change.revision, &change.organization_id, entry, Instant::now());
        self.gauge();
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }

    fn recall(&self) -> BoxFuture<'_, Option<Recalled>> {
        async {
            let (entries, recalled) = self.kept.as_ref()?.recall().await?;
            self.fill(entries, &recalled.position, recalled.age);
            Some(recalled)
        }
        .boxed()
    }
}

impl Sink {
    fn fill(&self, entries: Vec<proto::OrganizationEntry>, position: &Position, age: Duration) {
        let entries = entries.into_iter().map(|entry| self.open(entry)).collect();
        self.cache.replace_all(position, entries, Instant::now(), age);
        self.gauge();
    }

    /// An entry with its accounts opened. An account that cannot be opened is left out, loudly: it stops that
    /// organisation's sends through that vendor, and nothing else.
    pub(super) fn open(&self, entry: proto::OrganizationEntry) -> Entry {
        let proto::OrganizationEntry { organization_id, routing, accounts, revision } = entry;
        let routing = routing.unwrap_or_default();
        let accounts: BTreeMap<_, _> = accounts
            .into_iter()
            .filter_map(|account| {
                let provider = account.provider.clone();
                match self.open_account(&organization_id, account) {
                    Ok(account) => Some((provider, Arc::new(account))),
                    Err(why) => {
                        tracing::error!(organization_id, provider, why, "a vendor account cannot be used");
                        metrics::counter!("switchboard_unusable_accounts_total", "provider" => provider).increment(1);
                        None
                    }
                }
            })
            .collect();
        let overrides = routing.channel_overrides.into_iter();
        let has_default = organization_id == DEFAULT_ORGANIZATION && accounts.contains_key(DEFAULT_PROVIDER);
        let unnamed = has_default.then(|| DEFAULT_PROVIDER.to_owned());
        Entry {
            revision,
            primary: Some(routing.primary).filter(|primary| !primary.is_empty()).or(unnamed),
            channel_overrides: overrides.filter_map(|over| Some((channel(over.channel())?, over.provider))).collect(),
            failover: routing.failover,
            canary: routing.canary.and_then(|canary| {
                let percent = u8::try_from(canary.percent).ok().filter(|percent| (1..=100).contains(percent))?;
                Some(Canary { provider: canary.provider, percent })
            }),
            accounts,
            organization_id,
        }
    }

    fn open_account(&self, organization_id: &str, account: proto::ProviderAccount) -> Result<Account, String> {
        let vendor = self.registry.get(&account.provider).ok_or("this version does not know the vendor")?;
        let descriptor = vendor.descriptor();
        let credentials: Credentials = account.credentials.into_iter().collect();
        let provider = vendor.open(&credentials).map_err(|error| error.to_string())?;
        let default_sender = credentials
            .get(descriptor.form.default_sender_field)
            .map(Sender::parse)
            .transpose()
            .map_err(|error| format!("the default sender {error}"))?;
        Ok(Account {
            organization_id: organization_id.to_owned(),
            vendor: descriptor,
            lane: self.lanes.lane(descriptor.code, &account.provider_account, provider),
            provider_account: account.provider_account,
            version: account.version,
            default_sender,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn gauge(&self) {
        metrics::gauge!("switchboard_resolver_entries").set(self.cache.len() as f64);
    }
}

fn channel(channel: switchboard_proto::common::v1::Channel) -> Option<Channel> {
    use switchboard_proto::common::v1::Channel as Proto;
    match channel {
        Proto::Unspecified => None,
        Proto::Sms => Some(Channel::Sms),
        Proto::Lms => Some(Channel::Lms),
        Proto::Mms => Some(Channel::Mms),
        Proto::Alimtalk => Some(Channel::Alimtalk),
    }
}
