//! Who may have signed a callback.
//!
//! Organisations that share an account may share its secret, too. Each secret is tried once, however many hold it: nobody is
//! known before it fits, and what a stranger sends must not get dearer with every organisation.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use crate::secrets::Signer;

/// The secrets that are valid, each once, with everyone who holds it.
pub(super) struct Holders<'a>(Vec<Vec<&'a Signer>>);

impl<'a> Holders<'a> {
    pub(super) fn of(signers: &'a [Signer], now: DateTime<Utc>) -> Self {
        let mut holders: HashMap<&str, Vec<&Signer>> = HashMap::new();
        for signer in signers.iter().filter(|signer| signer.is_valid(now)) {
            holders.entry(signer.secret.expose_secret()).or_default().push(signer);
        }
        Self(holders.into_values().collect())
    }

    /// The secrets, in an order of their own.
    pub(super) fn secrets(&self) -> Vec<&'a SecretString> {
        self.0.iter().filter_map(|holders| holders.first()).map(|signer| &signer.secret).collect()
    }

    /// The organisations that hold one of the secrets at these places, each once.
    pub(super) fn organization_ids(&self, places: &[usize]) -> Vec<String> {
        let holders = places.iter().filter_map(|place| self.0.get(*place)).flatten();
        let mut ids: Vec<String> = holders.map(|signer| signer.organization_id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

#[cfg(test)]
mod tests {
    use switchboard_proto::config::v1::{Change, OrganizationEntry, ProviderAccount, WebhookSecret};
    use switchboard_runtime::watch_client::WatchSink as _;

    use super::*;
    use crate::secrets::Secrets;

    fn change(organization: &str, secrets: &[&str]) -> Change {
        let secret = |secret: &&str| WebhookSecret { secret: (*secret).to_owned(), expire_time: None };
        let account = ProviderAccount {
            provider: "cloudmsg".to_owned(),
            provider_account: "svc-1".to_owned(),
            webhook_secrets: secrets.iter().map(secret).collect(),
            ..ProviderAccount::default()
        };
        let organization_id = organization.to_owned();
        let entry = OrganizationEntry {
            organization_id: organization_id.clone(),
            accounts: vec![account],
            ..OrganizationEntry::default()
        };
        Change { revision: 1, organization_id, entry: Some(entry) }
    }

    #[test]
    fn a_secret_is_tried_once_and_speaks_for_all_who_hold_it() {
        let secrets = Secrets::default();
        for (organization, held) in
            [("a", ["shared", "old"]), ("b", ["shared", "shared"]), ("c", ["own", "shared"]), ("d", ["own", "old"])]
        {
            secrets.apply(change(organization, &held)).unwrap();
        }
        let signers = secrets.signers("cloudmsg", "svc-1");
        let holders = Holders::of(&signers, DateTime::UNIX_EPOCH);
        let tried: Vec<_> = holders.secrets().into_iter().map(|secret| secret.expose_secret()).collect();
        assert_eq!(tried.len(), 3);
        let who = |secrets: &[&str]| {
            let place = |secret: &&str| tried.iter().position(|tried| tried == secret).unwrap();
            holders.organization_ids(&secrets.iter().map(place).collect::<Vec<_>>())
        };
        assert_eq!(who(&["shared"]), ["a", "b", "c"]);
        assert_eq!(who(&["old"]), ["a", "d"]);
        assert_eq!(who(&["own", "shared"]), ["a", "b", "c", "d"]);
        assert!(who(&[]).is_empty());
    }
}
