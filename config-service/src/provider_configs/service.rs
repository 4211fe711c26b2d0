//! Reading, saving and deleting provider configs.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use switchboard_providers::{Credentials, Registry, Vendor};
use switchboard_runtime::SharedClock;

use super::{
    FieldState, ProviderConfig, SealedConfig, StoredConfig, differences,
    revision::{Overlap, Revision},
};
use crate::{
    attempt::Attempt,
    audit::FieldChange,
    connection_test::Tester,
    error::Error,
    routing::unknown_provider,
    sealing::{Binding, ConfigSecrets, Keys},
    store::{Committed, Store, StoreError},
};

/// How often a save is begun anew when a key rotation or another save of the same config came between.
const TRIES: usize = 4;

/// Everything about provider configs.
#[derive(Clone)]
pub struct ProviderConfigs {
    store: Arc<dyn Store>,
    registry: Registry,
    keys: Keys,
    tester: Tester,
    clock: SharedClock,
    overlap: Duration,
}

/// Credentials that are to be saved.
#[derive(Clone, Debug)]
pub struct ChangedCredentials {
    /// Values by key of the form; on update a key left out stays, an empty value removes.
    pub given: Credentials,
    /// Proof of a passed connection test; empty: the test is run now.
    pub test_token: String,
    /// Whether the config also becomes the primary of the organisation's routing.
    pub activate: bool,
}

/// The creation of a config.
#[derive(Clone, Debug)]
pub struct Create {
    /// The credentials.
    pub credentials: ChangedCredentials,
}

/// The change of a config.
#[derive(Clone, Debug)]
pub struct Update {
    /// The credentials.
    pub credentials: ChangedCredentials,
    /// The version that the change is based on.
    pub version: i64,
    /// How long a webhook secret stays valid that this replaces; `None`: as set for the service.
    pub overlap: Option<Duration>,
}

/// The deletion of a config.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The version that the deletion is based on.
    pub version: i64,
    /// The organisation's name, typed again.
    pub confirmed_name: String,
}

impl ProviderConfigs {
    /// The configs in `store`. `overlap` is how long a replaced webhook secret stays valid unless a caller says.
    pub fn new(
        store: Arc<dyn Store>,
        registry: Registry,
        keys: Keys,
        tester: Tester,
        clock: SharedClock,
        overlap: Duration,
    ) -> Self {
        Self { store, registry, keys, tester, clock, overlap }
    }

    /// The vendors there are.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The vendor of a code.
    ///
    /// # Errors
    ///
    /// [`Error::ProviderUnknown`].
    pub fn vendor(&self, provider: &str) -> Result<&Arc<dyn Vendor>, Error> {
        self.registry.get(provider).ok_or_else(|| unknown_provider(&self.registry, provider))
    }

    /// Every config of an organisation, in the order of the vendors' codes.
    ///
    /// # Errors
    ///
    /// When there is no such organisation, or the store cannot be read.
    pub async fn list(&self, organization_id: &str) -> Result<Vec<ProviderConfig>, Error> {
        let configs = self.store.configs(organization_id).await?;
        if configs.is_empty() && self.store.organization(organization_id).await?.is_none() {
            return Err(StoreError::organization_not_found(organization_id).into());
        }
        Ok(configs.into_iter().map(|stored| stored.config).collect())
    }

    /// One config.
    ///
    /// # Errors
    ///
    /// When it is not there, or the store cannot be read.
    pub async fn get(&self, organization_id: &str, provider: &str) -> Result<ProviderConfig, Error> {
        self.vendor(provider)?;
        Ok(self.stored(organization_id, provider).await?.config)
    }

    /// Stores an organisation's credentials with a vendor.
    ///
    /// # Errors
    ///
    /// [`Error`]; then nothing has changed.
    pub async fn create(&self, attempt: &Attempt, create: &Create) -> Result<Committed<ProviderConfig>, Error> {
        attempt.authorize_force()?;
        let (organization_id, provider) = (&attempt.organization_id, &attempt.provider);
        let form = self.vendor(provider)?.descriptor().form;
        let now = self.clock.now();
        let revision = Revision::first(&form, &create.credentials.given, now).map_err(Error::CredentialsShape)?;
        if self.store.organization(organization_id).await?.is_none() {
            return Err(StoreError::organization_not_found(organization_id).into());
        }
        if self.store.config(organization_id, provider).await?.is_some() {
            return Err(StoreError::config_exists(provider).into());
        }
        self.tested(attempt, &create.credentials, &revision.secrets.credentials).await?;
        let changes = differences(&form, &Credentials::default(), &revision.secrets.credentials);
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let version = self.store.last_config_version(organization_id, provider).await? + 1;
            let sealed = self.sealed(attempt, &revision, version, create.credentials.activate)?;
            let change = attempt.change(self.clock.now(), changes.clone());
            match self.store.add_config(&sealed, change).await {
                Err(StoreError::KeyOutdated { .. }) if tries > 0 => self.reload(),
                // Made and deleted by somebody else in between: the version moved on.
                Err(StoreError::VersionConflict { .. }) if tries > 0 => {}
                done => return Ok(done?),
            }
        }
    }

    /// Changes stored credentials.
    ///
    /// # Errors
    ///
    /// [`Error`]; then nothing has changed.
    pub async fn update(&self, attempt: &Attempt, update: &Update) -> Result<Committed<ProviderConfig>, Error> {
        attempt.authorize_force()?;
        let form = self.vendor(&attempt.provider)?.descriptor().form;
        let stored = self.stored(&attempt.organization_id, &attempt.provider).await?;
        if stored.config.version != update.version {
            return Err(StoreError::VersionConflict { current: stored.config.version }.into());
        }
        let secrets = self.keys.open(&stored.binding(), &stored.sealed)?;
        let overlap = Overlap { duration: update.overlap.unwrap_or(self.overlap), explicit: update.overlap.is_some() };
        let fields = &stored.config.fields;
        let revision = Revision::next(&form, &secrets, fields, &update.credentials.given, overlap, self.clock.now())
            .map_err(Error::CredentialsShape)?;
        self.tested(attempt, &update.credentials, &revision.secrets.credentials).await?;
        let mut changes = differences(&form, &secrets.credentials, &revision.secrets.credentials);
        changes.extend(expiries(fields, &revision.fields));
        let (version, activate) = (update.version + 1, update.credentials.activate);
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let sealed = self.sealed(attempt, &revision, version, activate)?;
            let change = attempt.change(self.clock.now(), changes.clone());
            match self.store.replace_config(&sealed, change).await {
                Err(StoreError::KeyOutdated { .. }) if tries > 0 => self.reload(),
                done => return Ok(done?),
            }
        }
    }

    /// Deletes credentials that nothing is routed to.
    ///
    /// # Errors
    ///
    /// [`Error`]; then nothing has changed.
    pub async fn delete(&self, attempt: &Attempt, delete: &Delete) -> Result<Committed<()>, Error> {
        self.vendor(&attempt.provider)?;
        let stored = self.stored(&attempt.organization_id, &attempt.provider).await?;
        let changes = stored.config.fields.iter().map(|state| self.removal(&attempt.provider, state)).collect();
        let change = attempt.change(self.clock.now(), changes);
        let (organization_id, provider) = (&attempt.organization_id, &attempt.provider);
        Ok(self.store.remove_config(organization_id, provider, delete.version, &delete.confirmed_name, change).await?)
    }

    /// The stored credentials, opened.
    ///
    /// # Errors
    ///
    /// When there are none, they do not open, or the store cannot be read.
    pub(crate) async fn open(&self, organization_id: &str, provider: &str) -> Result<ConfigSecrets, Error> {
        let stored = self.stored(organization_id, provider).await?;
        Ok(self.keys.open(&stored.binding(), &stored.sealed)?)
    }

    async fn stored(&self, organization_id: &str, provider: &str) -> Result<StoredConfig, Error> {
        if let Some(stored) = self.store.config(organization_id, provider).await? {
            return Ok(stored);
        }
        Err(match self.store.organization(organization_id).await? {
            None => StoreError::organization_not_found(organization_id).into(),
            Some(_) => StoreError::config_not_found(provider).into(),
        })
    }

    /// The proof that the vendor takes the credentials: the caller's token, or a test now; none by force.
    async fn tested(&self, attempt: &Attempt, changed: &ChangedCredentials, result: &Credentials) -> Result<(), Error> {
        let (organization_id, provider) = (&attempt.organization_id, &attempt.provider);
        if attempt.forced {
            return Ok(());
        }
        if !changed.test_token.is_empty() {
            return self.tester.check(&changed.test_token, organization_id, provider, result);
        }
        let report = self.tester.test(provider, result).await?;
        if attempt.dry_run {
            // Nothing else will tell of it, and what the vendor said of these credentials is not told unrecorded.
            let test = Attempt { action: "TestConnection", ..attempt.clone() };
            self.store.record(vec![test.draft(self.clock.now(), report.outcome(), Vec::new())]).await?;
        }
        report.result.map(|_| ()).map_err(Error::ConnectionTestFailed)
    }

    fn sealed(
        &self,
        attempt: &Attempt,
        revision: &Revision,
        version: i64,
        activate: bool,
    ) -> Result<SealedConfig, Error> {
        let (organization_id, provider) = (&attempt.organization_id, &attempt.provider);
        let binding = Binding { organization_id, provider, version };
        let form = self.vendor(provider)?.descriptor().form;
        Ok(SealedConfig {
            organization_id: organization_id.clone(),
            provider: provider.clone(),
            account: form.account(&revision.secrets.credentials).to_owned(),
            fields: revision.fields.clone(),
            version,
            sealed: self.keys.seal(&binding, &revision.secrets)?,
            activate,
        })
    }

    /// A rotation has gone by: the next try seals with the new key, if the file has it.
    fn reload(&self) {
        if let Err(error) = self.keys.reload() {
            tracing::error!(%error, "the key ring was rotated and cannot be read again");
        }
    }

    fn removal(&self, provider: &str, state: &FieldState) -> FieldChange {
        let field = self.registry.get(provider).and_then(|vendor| vendor.descriptor().form.field(&state.key));
        let path = format!("credentials.{}", state.key);
        match field {
            Some(field) if !field.secret => FieldChange::open(path, state.shown.as_str(), ""),
            _ => FieldChange::secret(path),
        }
    }
}

/// When the expiry of replaced webhook secrets changes, the audit trail says so.
fn expiries(before: &[FieldState], after: &[FieldState]) -> Option<FieldChange> {
    let expiry = |fields: &[FieldState]| fields.iter().find_map(|state| state.previous_expires_at);
    let (before, after) = (expiry(before), expiry(after));
    let text = |at: Option<DateTime<Utc>>| at.map(|at| at.to_rfc3339()).unwrap_or_default();
    (before != after).then(|| FieldChange::open("previous_webhook_secret.expire_time", text(before), text(after)))
}

/// Whether a name typed in confirmation is the organisation's: spaces around it and the way it was composed aside.
pub(crate) fn confirms(typed: &str, name: &str) -> bool {
    use unicode_normalization::UnicodeNormalization as _;
    !typed.is_empty() && typed.trim().nfc().eq(name.trim().nfc())
}
