//! What SendTalk keeps about a customer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

pub use crate::cloudmsg::AccountStatus;
use crate::template::Template;

/// A Kakao sender profile of a SendTalk account.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SenderProfile {
    /// 40 hex digits. Secret.
    pub key: String,
    /// Shown by the check. Default `active`.
    #[serde(default = "active")]
    pub status: String,
    /// Registered templates.
    #[serde(default)]
    pub templates: Vec<Template>,
}

fn active() -> String {
    "active".to_owned()
}

impl std::fmt::Debug for SenderProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SenderProfile").field("key_last4", &self.key_last4()).finish_non_exhaustive()
    }
}

impl SenderProfile {
    pub(super) fn key_last4(&self) -> &str {
        self.key.len().checked_sub(4).and_then(|start| self.key.get(start..)).unwrap_or_default()
    }
}

/// An account of SendTalk.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendTalkAccount {
    /// `acct_…`.
    pub account_id: String,
    /// Bearer token. Secret.
    pub api_key: String,
    /// `whsec_` and Base64, signs callbacks. Secret.
    pub webhook_secret: String,
    /// While a secret is rotated: signs as well. Secret.
    #[serde(default)]
    pub previous_webhook_secret: Option<String>,
    /// Registered senders, E.164.
    #[serde(default)]
    pub sender_numbers: Vec<String>,
    /// Registered senders that are blocked, E.164: −2313.
    #[serde(default)]
    pub blocked_senders: Vec<String>,
    /// Kakao sender profiles.
    #[serde(default)]
    pub sender_profiles: Vec<SenderProfile>,
    /// Recipients that want no advertisements, E.164: −6001.
    #[serde(default)]
    pub opted_out: Vec<String>,
    /// Where callbacks go; none: nowhere.
    #[serde(default)]
    pub callback_url: Option<String>,
    /// The endpoint answered 410 and is switched off.
    #[serde(default)]
    pub callback_switched_off: bool,
    /// A suspended account passes the check with its status; its sends are −1008.
    #[serde(default)]
    pub status: AccountStatus,
    /// Messages left to pay for; none: without end. At 0 every send is −1030.
    #[serde(default)]
    pub balance: Option<u64>,
    /// Messages left this month; none: without end. At 0 every send is −2052.
    #[serde(default)]
    pub monthly_limit: Option<u64>,
}

impl std::fmt::Debug for SendTalkAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendTalkAccount")
            .field("account_id", &self.account_id)
            .field("status", &self.status)
            .field("callback_url", &self.callback_url)
            .finish_non_exhaustive()
    }
}

impl SendTalkAccount {
    /// An active account with nothing but its credentials.
    #[must_use]
    pub fn new(account_id: &str, api_key: &str, webhook_secret: &str) -> Self {
        Self {
            account_id: account_id.to_owned(),
            api_key: api_key.to_owned(),
            webhook_secret: webhook_secret.to_owned(),
            previous_webhook_secret: None,
            sender_numbers: Vec::new(),
            blocked_senders: Vec::new(),
            sender_profiles: Vec::new(),
            opted_out: Vec::new(),
            callback_url: None,
            callback_switched_off: false,
            status: AccountStatus::Active,
            balance: None,
            monthly_limit: None,
        }
    }

    /// Refuses credentials that the document's form does not allow, naming the field.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = self.account_id.strip_prefix("acct_").unwrap_or_default();
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !(4..=40).contains(&name.len()) || !name.bytes().all(lower) {
            return Err("account_id: must be acct_ and 4 to 40 of a-z and 0-9".to_owned());
        }
        let key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(16..=128).contains(&self.api_key.len()) || !self.api_key.bytes().all(key) {
            return Err("api_key: must be 16 to 128 of A-Z, a-z, 0-9, _ and -".to_owned());
        }
        for secret in std::iter::once(&self.webhook_secret).chain(&self.previous_webhook_secret) {
            if !secret_bytes(secret).is_some_and(|bytes| (24..=64).contains(&bytes.len())) {
                return Err("webhook_secret: must be whsec_ and Base64 of 24 to 64 bytes".to_owned());
            }
        }
        let hex = |profile: &SenderProfile| profile.key.len() == 40 && hex::decode(&profile.key).is_ok();
        if !self.sender_profiles.iter().all(hex) {
            return Err("sender_profiles: a key is 40 hex digits".to_owned());
        }
        Ok(())
    }

    pub(super) fn has_sender(&self, number: &str) -> bool {
        self.sender_numbers.iter().any(|registered| registered == number)
    }
}

/// The bytes of a `whsec_` secret.
pub(super) fn secret_bytes(secret: &str) -> Option<Vec<u8>> {
    STANDARD.decode(secret.strip_prefix("whsec_")?).ok()
}
