//! Who may sign for an account, kept in step with config-service.
//!
//! Several organisations may use one vendor account by name, each with a secret of its own, and one organisation has two
//! secrets while one is being replaced. So an account leads to a list; the signature says which of them spoke.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use switchboard_proto::config::v1::{Change, OrganizationEntry, ProviderAccount, WebhookSecret};
use switchboard_runtime::{
    watch_client::{Position, Refused, WatchSink},
    wire::from_timestamp,
};

/// A secret that may sign for an account, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) organization_id: String,
    pub(crate) secret: SecretString,
    expire_time: Option<DateTime<Utc>>,
}

impl Signer {
    /// Whether the secret is still valid: one that was replaced is for a while, as vendors repeat callbacks with it.
    pub(crate) fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.expire_time.is_none_or(|expire_time| now < expire_time)
    }
}

/// Every secret of every account.
#[derive(Debug, Default)]
pub(crate) struct Secrets(RwLock<Index>);

#[derive(Debug, Default)]
struct Index {
    /// By vendor, then account.
    signers: HashMap<String, HashMap<String, Arc<[Signer]>>>,
    /// The accounts of each organisation: what a change takes away.
    accounts: HashMap<String, Vec<Account>>,
}

#[derive(Clone, Debug)]
struct Account {
    provider: String,
    name: String,
}

impl Secrets {
    /// Who may sign for the account; nobody when it is unknown.
    pub(crate) fn signers(&self, provider: &str, account: &str) -> Arc<[Signer]> {
        let index = self.0.read().unwrap_or_else(PoisonError::into_inner);
        index.signers.get(provider).and_then(|accounts| accounts.get(account)).cloned().unwrap_or_default()
    }

    fn update<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl WatchSink for Secrets {
    fn replace_all(&self, entries: Vec<OrganizationEntry>, _: &Position) -> Result<(), Refused> {
        let mut index = Index::default();
        for entry in entries {
            let id = entry.organization_id;
            index.put(&id, read(&id, entry.accounts));
        }
        let before = self.update(|current| std::mem::replace(current, index));
        // Thousands of secrets are wiped here, with nobody waiting for the lock.
        drop(before);
        Ok(())
    }

    fn apply(&self, change: Change) -> Result<(), Refused> {
        let id = change.organization_id;
        let signers = read(&id, change.entry.map(|entry| entry.accounts).unwrap_or_default());
        self.update(|index| {
            index.remove(&id);
            index.put(&id, signers);
        });
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).accounts.is_empty()
    }
}

fn read(organization_id: &str, accounts: Vec<ProviderAccount>) -> Vec<(Account, Vec<Signer>)> {
    let accounts = accounts.into_iter().map(|account| {
        let secrets = account.webhook_secrets.into_iter();
        let signers = secrets.filter_map(|secret| signer(organization_id, &account.provider, secret)).collect();
        (Account { provider: account.provider, name: account.provider_account }, signers)
    });
    accounts.collect()
}

/// A secret that cannot be read costs the callbacks that it signs; refusing it would cost those of everybody.
fn signer(organization_id: &str, provider: &str, secret: WebhookSecret) -> Option<Signer> {
    match secret.expire_time.as_ref().map(from_timestamp).transpose() {
        Ok(expire_time) => {
            Some(Signer { organization_id: organization_id.to_owned(), secret: secret.secret.into(), expire_time })
        }
        Err(error) => {
            tracing::error!(organization_id, provider, %error, "a webhook secret expires at no real time: it is left out");
            None
        }
    }
}

impl Index {
    fn put(&mut self, organization_id: &str, accounts: Vec<(Account, Vec<Signer>)>) {
        if accounts.is_empty() {
            return;
        }
        let mut names = Vec::with_capacity(accounts.len());
        for (account, signers) in accounts {
            let of_account =
                self.signers.entry(account.provider.clone()).or_default().entry(account.name.clone()).or_default();
            *of_account = of_account.iter().cloned().chain(signers).collect();
            names.push(account);
        }
        self.accounts.insert(organization_id.to_owned(), names);
    }

    fn remove(&mut self, organization_id: &str) {
        for account in self.accounts.remove(organization_id).unwrap_or_default() {
            let Some(of_provider) = self.signers.get_mut(&account.provider) else {
                continue;
            };
            let rest: Arc<[Signer]> = of_provider
                .get(&account.name)
                .map(|signers| {
                    signers.iter().filter(|signer| signer.organization_id != organization_id).cloned().collect()
                })
                .unwrap_or_default();
            if rest.is_empty() {
                of_provider.remove(&account.name);
            } else {
                of_provider.insert(account.name, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn entry(organization: &str, accounts: &[(&str, &str, &[&str])]) -> OrganizationEntry {
        let accounts = accounts.iter().map(|(provider, account, secrets)| ProviderAccount {
            provider: (*provider).to_owned(),
            provider_account: (*account).to_owned(),
            webhook_secrets: secrets.iter().map(|secret| secret_of(secret, None)).collect(),
            ..ProviderAccount::default()
        });
        OrganizationEntry {
            organization_id: organization.to_owned(),
            accounts: accounts.collect(),
            ..OrganizationEntry::default()
        }
    }

    fn secret_of(secret: &str, expire: Option<i64>) -> WebhookSecret {
        let expire_time = expire.map(|seconds| Timestamp { seconds, nanos: 0 });
        WebhookSecret { secret: secret.to_owned(), expire_time }
    }

    fn change(entry: OrganizationEntry) -> Change {
        Change { revision: 2, organization_id: entry.organization_id.clone(), entry: Some(entry) }
    }

    fn known(secrets: &Secrets, provider: &str, account: &str) -> Vec<(String, String)> {
        let signers = secrets.signers(provider, account);
        signers.iter().map(|s| (s.organization_id.clone(), s.secret.expose_secret().to_owned())).collect()
    }

    fn filled() -> Secrets {
        let secrets = Secrets::default();
        let entries = vec![
            entry("a", &[("cloudmsg", "svc-1", &["s1"]), ("sendtalk", "acct_1", &["t1"])]),
            entry("b", &[("cloudmsg", "svc-1", &["s2"])]),
            entry("c", &[]),
        ];
        secrets.replace_all(entries, &Position { revision: 1, epoch: "e".to_owned() }).unwrap();
        secrets
    }

    #[test]
    fn an_account_that_two_organisations_share_has_the_secrets_of_both() {
        let secrets = filled();
        let both = [("a".to_owned(), "s1".to_owned()), ("b".to_owned(), "s2".to_owned())];
        assert_eq!(known(&secrets, "cloudmsg", "svc-1"), both);
        assert!(known(&secrets, "sendtalk", "svc-1").is_empty());
    }

    #[test]
    fn a_change_replaces_one_organisation_and_leaves_the_others() {
        let secrets = filled();
        secrets.apply(change(entry("a", &[("cloudmsg", "svc-2", &["s3"])]))).unwrap();
        assert_eq!(known(&secrets, "cloudmsg", "svc-1"), [("b".to_owned(), "s2".to_owned())]);
        assert_eq!(known(&secrets, "cloudmsg", "svc-2"), [("a".to_owned(), "s3".to_owned())]);
        assert!(known(&secrets, "sendtalk", "acct_1").is_empty());
        secrets.apply(Change { revision: 3, organization_id: "b".to_owned(), entry: None }).unwrap();
        assert!(known(&secrets, "cloudmsg", "svc-1").is_empty());
        assert!(!secrets.is_empty());
    }

    #[test]
    fn a_replaced_secret_is_valid_until_it_expires() {
        let secrets = Secrets::default();
        let mut entry = entry("a", &[("cloudmsg", "svc-1", &[])]);
        entry.accounts[0].webhook_secrets = vec![secret_of("new", None), secret_of("old", Some(100))];
        secrets.apply(change(entry)).unwrap();
        let valid_at = |seconds| {
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            secrets.signers("cloudmsg", "svc-1").iter().filter(|signer| signer.is_valid(now)).count()
        };
        assert_eq!((valid_at(99), valid_at(100)), (2, 1));
    }

    #[test]
    fn a_secret_that_expires_at_no_real_time_costs_nobody_else_theirs() {
        let secrets = Secrets::default();
        let mut broken = entry("a", &[("cloudmsg", "svc-1", &["s1"])]);
        broken.accounts[0].webhook_secrets.push(secret_of("old", Some(i64::MAX)));
        let entries = vec![broken.clone(), entry("b", &[("cloudmsg", "svc-1", &["s2"])])];
        secrets.replace_all(entries, &Position { revision: 1, epoch: "e".to_owned() }).unwrap();
        let readable = ["a", "b"].map(str::to_owned).into_iter().zip(["s1", "s2"].map(str::to_owned));
        assert_eq!(known(&secrets, "cloudmsg", "svc-1"), readable.collect::<Vec<_>>());
        broken.accounts[0].provider_account = "svc-2".to_owned();
        secrets.apply(change(broken)).unwrap();
        assert_eq!(known(&secrets, "cloudmsg", "svc-2"), [("a".to_owned(), "s1".to_owned())]);
    }
}
