//! What a node gets to know of an organisation, opened once for all subscribers.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use switchboard_providers::{Registry, Use, credentials::Form};

use crate::{
    provider_configs::{ProviderConfig, StoredConfig},
    routing::Routing,
    sealing::{ConfigSecrets, Keys, SealError},
    store::{SealedEntry, StoreError},
};

/// What there is of an organisation, its credentials open. In memory only, wiped when dropped.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The organisation.
    pub organization_id: String,
    /// Its routing.
    pub routing: Routing,
    /// Its vendor accounts, in the order of the vendors' codes.
    pub accounts: Vec<Account>,
    /// The revision that last changed it.
    pub revision: i64,
}

/// A vendor account with its credentials.
#[derive(Clone, Debug)]
pub struct Account {
    /// The vendor's code.
    pub provider: String,
    /// The account as the vendor names it.
    pub name: String,
    /// Version of the credentials.
    pub version: i64,
    form: Form,
    secrets: ConfigSecrets,
}

/// A secret that may sign callbacks of an account.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The account.
    pub account: String,
    /// The secret.
    pub secret: SecretString,
    /// Until when; `None`: until it is replaced.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Account {
    /// The fields that sending needs: all that a dispatcher gets.
    pub fn sending(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = self.form.fields.iter().filter(|field| field.used_for == Use::Sending);
        fields.filter_map(|field| Some((field.key, self.secrets.credentials.get(field.key)?)))
    }

    /// The secrets that may sign callbacks at `now`, the newest first: all that a gateway gets.
    pub fn signers(&self, now: DateTime<Utc>) -> impl Iterator<Item = Signer> {
        let current = self.secrets.credentials.get(self.form.webhook_secret_field).map(|secret| Signer {
            account: self.name.clone(),
            secret: secret.into(),
            expires_at: None,
        });
        let replaced = self.secrets.replaced_at(now).map(|old| Signer {
            account: old.account.clone(),
            secret: old.secret.clone(),
            expires_at: Some(old.expires_at),
        });
        current.into_iter().chain(replaced)
    }
}

/// How old what is opened may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// It is what the store holds now.
    Now,
    /// It is what the store held when a snapshot was begun; a key may have been retired since.
    AsOfBefore,
}

/// Opens what is sealed.
#[derive(Clone)]
pub struct Opener {
    keys: Keys,
    registry: Registry,
}

impl Opener {
    /// Opens with these keys.
    pub fn new(keys: Keys, registry: Registry) -> Self {
        Self { keys, registry }
    }

    /// Opens an entry. An account that was altered or put back is left out, loudly: its organisation cannot send through it, and
    /// everybody else's changes go on.
    ///
    /// # Errors
    ///
    /// [`StoreError::KeyMissing`]: what cannot be opened here and now is not for that reason gone, and nobody may be told so.
    pub fn open(&self, sealed: SealedEntry, read: Read) -> Result<Entry, StoreError> {
        let SealedEntry { organization_id, routing, configs, revision } = sealed;
        let accounts = configs.into_iter().filter_map(|stored| self.account(stored, read).transpose());
        Ok(Entry { organization_id, routing, accounts: accounts.collect::<Result<_, _>>()?, revision })
    }

    fn account(&self, stored: StoredConfig, read: Read) -> Result<Option<Account>, StoreError> {
        let Some(vendor) = self.registry.get(&stored.config.provider) else {
            tracing::error!(
                provider = stored.config.provider,
                "credentials of a vendor that this version does not have"
            );
            return Ok(None);
        };
        let opened = self.keys.open(&stored.binding(), &stored.sealed);
        let ProviderConfig { organization_id, provider, account: name, version, .. } = stored.config;
        match opened {
            Ok(secrets) => Ok(Some(Account { provider, name, version, form: vendor.descriptor().form, secrets })),
            Err(source) => {
                metrics::counter!("switchboard_config_unsealable_total").increment(1);
                let is_this_replica = match source {
                    SealError::UnknownKey { .. } | SealError::NoRandomness => true,
                    // No row has it once the rotation is through, but one that was put back.
                    SealError::RetiredKey { .. } => read == Read::AsOfBefore,
                    SealError::Broken { .. } => false,
                };
                if is_this_replica {
                    return Err(StoreError::KeyMissing { organization_id, provider, source });
                }
                tracing::error!(organization_id, provider, error = %source, "sealed credentials do not open");
                Ok(None)
            }
        }
    }
}
