//! SendTalk's callbacks (interface document, Callback): one event a request, signed as Standard Webhooks has it.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::Item;
use crate::{
    foreign::{why, word},
    signature::{self, Tag},
    webhook::{WebhookError, WebhookEvent, WebhookFormat},
};

const ACCOUNT: HeaderName = HeaderName::from_static("x-st-account");
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Events about a message; all other types are about accounts and templates.
const MESSAGE_STATUS: &str = "message.status";

/// The format.
pub(super) struct Callbacks;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl WebhookFormat for Callbacks {
    fn account<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, WebhookError> {
        signature::header(headers, &ACCOUNT, "x-st-account is missing, empty or given twice")
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[&SecretString],
        now: DateTime<Utc>,
    ) -> Result<Vec<usize>, WebhookError> {
        let id = signature::header(headers, &ID, "webhook-id is missing, empty or given twice")?;
        let time = signature::header(headers, &TIMESTAMP, "webhook-timestamp is missing, empty or given twice")?;
        let header = signature::header(headers, &SIGNATURE, "webhook-signature is missing, empty or given twice")?;
        let seconds =
            signature::timestamp(time).ok_or(WebhookError::Unverified("webhook-timestamp is not a time in seconds"))?;
        signature::check_time(seconds.saturating_mul(1000), now)?;
        let signatures: Vec<Tag> = header.split_whitespace().filter_map(read).collect();
        signature::check_count(&signatures)?;
        let parts = [id.as_bytes(), b".", time.as_bytes(), b".", body];
        // A secret that does not decode keeps its place and fits nothing.
        let keys = secrets.iter().map(|secret| key(secret));
        signature::fitting(keys, &parts, &signatures)
    }

    fn parse(&self, body: &[u8]) -> Result<Vec<WebhookEvent>, WebhookError> {
        let event: Event<'_> = serde_json::from_slice(body).map_err(|error| WebhookError::Malformed(why(&error)))?;
        Ok(vec![event.read().unwrap_or_else(|why| malformed(why, String::from_utf8_lossy(body).into_owned()))])
    }

    /// The element is the body.
    fn parse_element(&self, raw: &str) -> WebhookEvent {
        let read = serde_json::from_str::<Event<'_>>(raw).map_err(|error| why(&error)).and_then(Event::read);
        read.unwrap_or_else(|why| malformed(why, raw.to_owned()))
    }
}

impl Event<'_> {
    /// What it says, or why it cannot be read.
    fn read(self) -> Result<WebhookEvent, String> {
        if self.kind != MESSAGE_STATUS {
            return Ok(WebhookEvent::Ignored { kind: word(&self.kind) });
        }
        let data = self.data.ok_or_else(|| "missing field `data`".to_owned())?;
        let item = serde_json::from_str::<Item>(data.get()).map_err(|error| why(&error))?;
        Ok(WebhookEvent::Report(Box::new(item.into_report()?)))
    }
}

fn malformed(why: String, raw: String) -> WebhookEvent {
    WebhookEvent::Malformed { index: 0, why, raw }
}

/// Base64 as consoles show it, some without the padding.
const PASTED: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// `whsec_` and Base64.
fn key(secret: &SecretString) -> Option<Vec<u8>> {
    let encoded = secret.expose_secret().strip_prefix("whsec_")?;
    PASTED.decode(encoded).ok().filter(|key| !key.is_empty())
}

/// `v1,<base64>`; signatures of other versions are for others.
fn read(signature: &str) -> Option<Tag> {
    let encoded = signature.strip_prefix("v1,")?;
    BASE64_STANDARD.decode(encoded).ok()?.try_into().ok()
}
