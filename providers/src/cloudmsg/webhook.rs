//! CloudMsg's callbacks (interface document, Callback): an array of events, signed with a timestamp in milliseconds.

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;

use super::wire::Item;
use crate::{
    foreign::why,
    signature::{self, Tag},
    webhook::{WebhookError, WebhookEvent, WebhookFormat},
};

const SERVICE_ID: HeaderName = HeaderName::from_static("x-cm-service-id");
const SIGNATURE: HeaderName = HeaderName::from_static("x-cm-callback-signature");

/// Most events in one callback.
const MAX_EVENTS: usize = 100;

/// The format.
pub(super) struct Callbacks;

impl WebhookFormat for Callbacks {
    fn account<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, WebhookError> {
        signature::header(headers, &SERVICE_ID, "x-cm-service-id is missing, empty or given twice")
    }

    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[&SecretString],
        now: DateTime<Utc>,
    ) -> Result<Vec<usize>, WebhookError> {
        let missing = "x-cm-callback-signature is missing, empty or given twice";
        let (time, signatures) = read(signature::header(headers, &SIGNATURE, missing)?)?;
        let millis = signature::timestamp(time).ok_or(WebhookError::Unverified("t is not a time in milliseconds"))?;
        signature::check_time(millis, now)?;
        signature::check_count(&signatures)?;
        let parts = [time.as_bytes(), b".", body];
        let keys = secrets.iter().map(|secret| Some(secret.expose_secret()).filter(|secret| !secret.is_empty()));
        signature::fitting(keys, &parts, &signatures)
    }

    /// An empty array holds no events. A larger one than documented is not from CloudMsg as we know it.
    fn parse(&self, body: &[u8]) -> Result<Vec<WebhookEvent>, WebhookError> {
        let elements: Vec<&RawValue> =
            serde_json::from_slice(body).map_err(|error| WebhookError::Malformed(why(&error)))?;
        if elements.len() > MAX_EVENTS {
            let found = elements.len();
            return Err(WebhookError::Malformed(format!("it holds {found} events, the limit is {MAX_EVENTS}")));
        }
        Ok(elements.into_iter().enumerate().map(|(index, element)| event(index, element.get())).collect())
    }

    fn parse_element(&self, raw: &str) -> WebhookEvent {
        event(0, raw)
    }
}

fn event(index: usize, raw: &str) -> WebhookEvent {
    let read = serde_json::from_str::<Item>(raw).map_err(|error| why(&error));
    match read.and_then(Item::into_report) {
        Ok(report) => WebhookEvent::Report(Box::new(report)),
        Err(why) => WebhookEvent::Malformed { index, why, raw: raw.to_owned() },
    }
}

/// `t=<ms>,v1=<hex>[,v1=<hex>]` in any order; what it may hold besides is for others.
fn read(header: &str) -> Result<(&str, Vec<Tag>), WebhookError> {
    let mut time = None;
    let mut signatures = Vec::new();
    for field in header.split(',') {
        match field.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("t", value)) if time.is_none() => time = Some(value),
            Some(("t", _)) => return Err(WebhookError::Unverified("t is given twice")),
            Some(("v1", value)) => {
                let mut tag = Tag::default();
                if hex::decode_to_slice(value, &mut tag).is_ok() {
                    signatures.push(tag);
                }
            }
            _ => {}
        }
    }
    Ok((time.ok_or(WebhookError::Unverified("the signature header holds no t"))?, signatures))
}
