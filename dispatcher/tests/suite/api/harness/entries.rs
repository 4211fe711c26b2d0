//! Organisations as config-service tells dispatchers of them.

use switchboard_proto::{
    common::v1::Channel,
    config::v1::{Canary, ChannelOverride, OrganizationEntry, ProviderAccount, Routing},
};
use switchboard_vendor_sim::demo::{DemoCloudMsg, DemoSendTalk};

/// An organisation with these accounts, mapped to the first.
pub fn organization(id: &str, accounts: Vec<ProviderAccount>) -> OrganizationEntry {
    let primary = accounts.first().map(|account| account.provider.clone()).unwrap_or_default();
    OrganizationEntry {
        organization_id: id.to_owned(),
        routing: Some(Routing { primary, ..Routing::default() }),
        accounts,
        revision: 0,
    }
}

/// What a mapping can have besides a primary vendor.
pub trait EntryExt: Sized {
    fn primary(self, provider: &str) -> Self;
    fn failover(self, providers: &[&str]) -> Self;
    fn canary(self, provider: &str, percent: i32) -> Self;
    fn over(self, channel: Channel, provider: &str) -> Self;
}

impl EntryExt for OrganizationEntry {
    fn primary(mut self, provider: &str) -> Self {
        self.routing.get_or_insert_default().primary = provider.to_owned();
        self
    }

    fn failover(mut self, providers: &[&str]) -> Self {
        self.routing.get_or_insert_default().failover = providers.iter().map(|code| (*code).to_owned()).collect();
        self
    }

    fn canary(mut self, provider: &str, percent: i32) -> Self {
        self.routing.get_or_insert_default().canary = Some(Canary { provider: provider.to_owned(), percent });
        self
    }

    fn over(mut self, channel: Channel, provider: &str) -> Self {
        let over = ChannelOverride { channel: channel.into(), provider: provider.to_owned() };
        self.routing.get_or_insert_default().channel_overrides.push(over);
        self
    }
}

/// An account with CloudMsg.
pub fn cloudmsg(demo: &DemoCloudMsg) -> ProviderAccount {
    let credentials = [
        ("service_id", demo.service_id),
        ("access_key", demo.access_key),
        ("secret_key", demo.secret_key),
        ("callback_secret", demo.callback_secret),
        ("channel_id", demo.channel_id),
        ("default_sender", demo.default_sender),
    ];
    account("cloudmsg", demo.service_id, &credentials)
}

/// An account with SendTalk.
pub fn sendtalk(demo: &DemoSendTalk) -> ProviderAccount {
    let credentials = [
        ("account_id", demo.account_id),
        ("api_key", demo.api_key),
        ("webhook_secret", demo.webhook_secret),
        ("sender_profile_key", demo.sender_profile_key),
        ("default_sender", demo.default_sender),
    ];
    account("sendtalk", demo.account_id, &credentials)
}

/// The account, but callers must name a sender.
pub fn without_default_sender(mut account: ProviderAccount) -> ProviderAccount {
    account.credentials.remove("default_sender");
    account
}

fn account(provider: &str, provider_account: &str, credentials: &[(&str, &str)]) -> ProviderAccount {
    ProviderAccount {
        provider: provider.to_owned(),
        provider_account: provider_account.to_owned(),
        version: 7,
        credentials: credentials.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        webhook_secrets: Vec::new(),
    }
}
