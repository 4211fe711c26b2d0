//! What CloudMsg keeps about a customer.

use serde::{Deserialize, Serialize};

use crate::template::Template;

/// Whether an account may send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AccountStatus {
    /// It may.
    #[default]
    Active,
    /// It may not.
    Suspended,
}

/// A Kakao channel of a CloudMsg account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudMsgChannel {
    /// `@name`.
    pub channel_id: String,
    /// The channel's own answer where `useSmsFailover` is left out. Default true: the trap of the document.
    #[serde(default = "on")]
    pub sms_failover: bool,
    /// Sender of the channel's own fallback; the account's first sender when none.
    #[serde(default)]
    pub failover_from: Option<String>,
    /// Registered templates.
    #[serde(default)]
    pub templates: Vec<Template>,
}

fn on() -> bool {
    true
}

/// An account of CloudMsg.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudMsgAccount {
    /// `svc-…`, in every path.
    pub service_id: String,
    /// Shown with every request.
    pub access_key: String,
    /// Signs requests. Secret.
    pub secret_key: String,
    /// Signs callbacks. Secret.
    pub callback_secret: String,
    /// While a secret is rotated: signs as well. Secret.
    #[serde(default)]
    pub previous_callback_secret: Option<String>,
    /// Registered senders, national digits.
    #[serde(default)]
    pub sender_numbers: Vec<String>,
    /// Kakao channels.
    #[serde(default)]
    pub channels: Vec<CloudMsgChannel>,
    /// Where callbacks go; none: nowhere.
    #[serde(default)]
    pub callback_url: Option<String>,
    /// A suspended account passes the check with its status and may not send.
    #[serde(default)]
    pub status: AccountStatus,
    /// Messages left to pay for; none: without end. At 0 every send is 402/600.
    #[serde(default)]
    pub balance: Option<u64>,
    /// Messages left today; none: without end. At 0 every send is 429/400.
    #[serde(default)]
    pub daily_quota: Option<u64>,
}

impl std::fmt::Debug for CloudMsgAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloudMsgAccount")
            .field("service_id", &self.service_id)
            .field("status", &self.status)
            .field("callback_url", &self.callback_url)
            .finish_non_exhaustive()
    }
}

impl CloudMsgAccount {
    /// An active account with nothing but its credentials.
    #[must_use]
    pub fn new(service_id: &str, access_key: &str, secret_key: &str, callback_secret: &str) -> Self {
        Self {
            service_id: service_id.to_owned(),
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            callback_secret: callback_secret.to_owned(),
            previous_callback_secret: None,
            sender_numbers: Vec::new(),
            channels: Vec::new(),
            callback_url: None,
            status: AccountStatus::Active,
            balance: None,
            daily_quota: None,
        }
    }

    /// Refuses credentials that the document's form does not allow, naming the field.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = self.service_id.strip_prefix("svc-").unwrap_or_default();
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(4..=40).contains(&name.len()) || !name.bytes().all(lower) {
            return Err("service_id: must be svc- and 4 to 40 of a-z, 0-9 and -".to_owned());
        }
        // The form says 8 to 64, but the document's own vectors use a key of seven.
        let key = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(4..=64).contains(&self.access_key.len()) || !self.access_key.bytes().all(key) {
            return Err("access_key: must be at most 64 of A-Z, a-z, 0-9 and -".to_owned());
        }
        if self.secret_key.is_empty() || self.callback_secret.is_empty() {
            return Err("secret_key, callback_secret: must not be empty".to_owned());
        }
        if let Some(channel) = self.channels.iter().find(|channel| !channel.channel_id.starts_with('@')) {
            return Err(format!("channels: {} must begin with @", channel.channel_id));
        }
        Ok(())
    }

    pub(super) fn has_sender(&self, number: &str) -> bool {
        self.sender_numbers.iter().any(|registered| registered == number)
    }
}
