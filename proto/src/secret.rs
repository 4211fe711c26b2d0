//! How messages that carry secrets print: which fields of a form are set, and not to what. A message that somebody logs,
//! or that a panic shows, gives nothing away.

use std::{
    collections::HashMap,
    fmt::{Debug, Formatter, Result},
};

use crate::config::v1::{
    CreateProviderConfigRequest, ProviderAccount, TestConnectionRequest, UpdateProviderConfigRequest, WebhookSecret,
};

/// The keys alone, in order.
struct Keys<'c>(&'c HashMap<String, String>);

impl Debug for Keys<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut keys: Vec<_> = self.0.keys().collect();
        keys.sort_unstable();
        f.debug_set().entries(keys).finish()
    }
}

impl Debug for CreateProviderConfigRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("CreateProviderConfigRequest")
            .field("organization_id", &self.organization_id)
            .field("provider", &self.provider)
            .field("credentials", &Keys(&self.credentials))
            .finish_non_exhaustive()
    }
}

impl Debug for UpdateProviderConfigRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("UpdateProviderConfigRequest")
            .field("organization_id", &self.organization_id)
            .field("provider", &self.provider)
            .field("credentials", &Keys(&self.credentials))
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Debug for TestConnectionRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("TestConnectionRequest")
            .field("organization_id", &self.organization_id)
            .field("provider", &self.provider)
            .field("credentials", &Keys(&self.credentials))
            .field("use_stored", &self.use_stored)
            .finish()
    }
}

impl Debug for ProviderAccount {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ProviderAccount")
            .field("provider", &self.provider)
            .field("provider_account", &self.provider_account)
            .field("version", &self.version)
            .field("credentials", &Keys(&self.credentials))
            .field("webhook_secrets", &self.webhook_secrets)
            .finish()
    }
}

impl Debug for WebhookSecret {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("WebhookSecret").field("expire_time", &self.expire_time).finish_non_exhaustive()
    }
}
