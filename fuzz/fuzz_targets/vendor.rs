//! The vendors, and how a fuzzer's bytes become a callback.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use chrono::{DateTime, TimeDelta};
use switchboard_providers::{Registry, Vendor};

use crate::callbacks::{SIGNERS, believes_nobody_else, believes_whoever_signed};

/// The headers that the vendors' callbacks have.
const HEADERS: [&str; 6] = [
    "x-cm-service-id",
    "x-cm-callback-signature",
    "x-st-account",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// A vendor of the registry.
pub fn get(code: &str) -> Arc<dyn Vendor> {
    static REGISTRY: LazyLock<Registry> =
        LazyLock::new(|| Registry::new(&BTreeMap::new()).expect("the defaults are good"));
    Arc::clone(REGISTRY.get(code).expect("the vendor is in the registry"))
}

/// Lines `name: value` up to an empty one are headers, the rest is the body. The first two bytes are how far off the
/// vendor's clock is.
pub fn try_headers(code: &str, input: &[u8]) {
    let Some((off, input)) = input.split_first_chunk::<2>() else { return };
    let end = input.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.map_or((input, &[][..]), |end| (&input[..end], &input[end + 2..]));
    let head = String::from_utf8_lossy(head);
    let given: Vec<(&'static str, String)> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(name, value)| Some((*HEADERS.iter().find(|known| **known == name)?, value.to_owned())))
        .collect();
    let now = DateTime::from_timestamp(1_700_000_000, 0).expect("it is a time");
    let (vendor, signs) = (get(code), SIGNERS.iter().find(|signs| signs.vendor == code).expect("it signs"));
    believes_nobody_else(vendor.webhooks(), signs, &given, body, now);
    let off = TimeDelta::milliseconds(i64::from(i16::from_le_bytes(*off)) * 20);
    believes_whoever_signed(vendor.webhooks(), signs, body, now, off);
}
