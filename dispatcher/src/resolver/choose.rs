//! Which account carries a message.

use std::sync::Arc;

use ring::digest::{Context, SHA256};
use switchboard_providers::model::Channel;

use super::{Account, Entry};

/// The account that carries a message, and those to try when it certainly did not take it.
pub struct Choice {
    /// Revision of the configuration that chose.
    pub config_revision: i64,
    /// The first.
    pub account: Arc<Account>,
    /// The others, in order; only those that carry the message's kind.
    pub backups: Vec<Arc<Account>>,
}

/// Why no account can carry it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unroutable {
    /// The vendor that it is mapped to does not carry this kind of message.
    #[error("the vendor {provider} does not carry {channel}: map {channel} to another vendor by a channel override")]
    ChannelUnsupported {
        /// The vendor.
        provider: String,
        /// The kind.
        channel: Channel,
    },
    /// It is mapped to a vendor whose account is not there or cannot be used.
    #[error("the organisation {organization_id} has no usable account with {provider}: store its credentials again")]
    NoAccount {
        /// Whose account is missing.
        organization_id: String,
        /// With which vendor.
        provider: String,
    },
}

impl Entry {
    /// Chooses by kind of message and recipient. An override is explicit, so it beats the trial.
    ///
    /// # Errors
    ///
    /// When the chosen vendor cannot carry it.
    pub fn choose(&self, channel: Channel, to: &str) -> Result<Choice, Unroutable> {
        let provider = self.provider_for(channel, to);
        let account = self.accounts.get(provider).ok_or_else(|| Unroutable::NoAccount {
            organization_id: self.organization_id.clone(),
            provider: provider.to_owned(),
        })?;
        if !account.vendor.channels.contains(&channel) {
            return Err(Unroutable::ChannelUnsupported { provider: provider.to_owned(), channel });
        }
        let backups = self.failover.iter().filter(|code| *code != provider).filter_map(|code| self.accounts.get(code));
        Ok(Choice {
            config_revision: self.revision,
            account: Arc::clone(account),
            backups: backups.filter(|account| account.vendor.channels.contains(&channel)).cloned().collect(),
        })
    }

    fn provider_for(&self, channel: Channel, to: &str) -> &str {
        if let Some(provider) = self.channel_overrides.get(&channel) {
            return provider;
        }
        match &self.canary {
            Some(canary) if self.is_in_trial(canary.percent, to) && self.carries(&canary.provider, channel) => {
                &canary.provider
            }
            _ => self.primary.as_deref().unwrap_or_default(),
        }
    }

    fn carries(&self, provider: &str, channel: Channel) -> bool {
        self.accounts.get(provider).is_some_and(|account| account.vendor.channels.contains(&channel))
    }

    /// The same recipient of the same organisation always falls on the same side, on every replica.
    fn is_in_trial(&self, percent: u8, to: &str) -> bool {
        let mut digest = Context::new(&SHA256);
        digest.update(self.organization_id.as_bytes());
        digest.update(&[0]);
        digest.update(to.as_bytes());
        let digest = digest.finish();
        let bytes = digest.as_ref();
        u16::from_be_bytes([bytes[0], bytes[1]]) % 100 < u16::from(percent)
    }
}
