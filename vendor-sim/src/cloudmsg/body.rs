//! The body of a send as CloudMsg's customers write it.
//!
//! Every field is optional here, so that what is missing gets the vendor's own error and not a parser's.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::alimtalk::{Button, FailoverConfig};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendBody {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) from: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) content: Option<String>,
    pub(super) messages: Option<Vec<Recipient>>,
    pub(super) files: Option<Vec<FileReference>>,
    pub(super) channel_id: Option<String>,
    pub(super) template_code: Option<String>,
    pub(super) title: Option<String>,
    pub(super) buttons: Option<Vec<Button>>,
    pub(super) use_sms_failover: Option<bool>,
    pub(super) failover_config: Option<FailoverConfig>,
    #[serde(flatten)]
    pub(super) unknown: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recipient {
    pub(super) to: Option<String>,
    pub(super) client_ref: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) content: Option<String>,
    #[serde(flatten)]
    pub(super) unknown: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileReference {
    pub(super) file_id: String,
}

/// Fields that the document does not know.
pub(super) fn warnings(body: &SendBody) -> Vec<String> {
    let top = body.unknown.keys().map(|name| format!("unknown field {name}"));
    let recipients = body.messages.iter().flatten().flat_map(|recipient| recipient.unknown.keys());
    top.chain(recipients.map(|name| format!("unknown field messages.{name}"))).collect()
}
