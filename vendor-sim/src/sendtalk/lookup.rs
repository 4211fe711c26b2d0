//! Looking messages up, the results feed and the check (interface document, "Look-up" and "Check").

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::SendTalk;
use super::account::SendTalkAccount;
use super::callback::{fallback, status_of};
use super::errors::{Refusal, success};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::core::{Answer, Received, locked};
use crate::message::Message;

/// Largest window of the results feed.
const WINDOW_MS: i64 = 24 * 3600 * 1000;

fn not_found() -> Refusal {
    Refusal::new(-4104, "message not found")
}

/// `GET /v1/messages/{message_id}`.
pub(super) fn by_id(vendor: &Arc<SendTalk>, account: &SendTalkAccount, id: &str) -> Result<Answer, Refusal> {
    let found = locked(&vendor.core.store).get(id).filter(|message| message.account == account.account_id).cloned();
    let message = found.filter(|message| vendor.core.is_visible(message)).ok_or_else(not_found)?;
    Ok(success(&item(vendor, &message)))
}

/// `GET /v1/messages?reference=`.
pub(super) fn by_reference(
    vendor: &Arc<SendTalk>,
    account: &SendTalkAccount,
    received: &Received,
) -> Result<Answer, Refusal> {
    let reference = received.query("reference").ok_or_else(|| Refusal::new(-2018, "reference is missing"))?;
    let found: Vec<Message> = locked(&vendor.core.store)
        .by_reference(&account.account_id, &reference)
        .into_iter()
        .filter(|message| vendor.core.is_visible(message))
        .cloned()
        .collect();
    let first = found.first().ok_or_else(not_found)?;
    if vendor.core.settings().reference_look_up_as_item {
        return Ok(success(&item(vendor, first)));
    }
    let items: Vec<Value> = found.iter().map(|message| item(vendor, message)).collect();
    Ok(success(&json!({ "items": items, "next_cursor": null })))
}

/// `GET /v1/results?updated_from=&updated_to=&cursor=`: what changed in a window, a page at a time, running behind.
pub(super) fn results(
    vendor: &Arc<SendTalk>,
    account: &SendTalkAccount,
    received: &Received,
) -> Result<Answer, Refusal> {
    let time = |name: &str| {
        let text = received.query(name).ok_or_else(|| Refusal::new(-2018, format!("{name} is missing")))?;
        parse_rfc3339(&text).ok_or_else(|| Refusal::new(-2018, format!("{name} is not RFC 3339 with an offset")))
    };
    let (from, to) = (time("updated_from")?, time("updated_to")?);
    if to < from || to - from > WINDOW_MS {
        return Err(Refusal::new(-2018, "updated_to: at most 24 hours after updated_from"));
    }
    let settings = vendor.core.settings();
    let lag = i64::try_from(settings.results_lag_ms).unwrap_or(i64::MAX);
    let seen_until = vendor.core.clock.now_ms().saturating_sub(lag);
    let after = match received.query("cursor").filter(|cursor| !cursor.is_empty()) {
        Some(cursor) => Some(read_cursor(&cursor).ok_or_else(|| Refusal::new(-2018, "cursor is not one of ours"))?),
        None => None,
    };
    let mut found: Vec<Message> = locked(&vendor.core.store)
        .all()
        .filter(|message| message.account == account.account_id && message.fallback_of.is_none())
        .filter(|message| (from..=to).contains(&message.updated_at) && message.updated_at <= seen_until)
        .filter(|message| after.as_ref().is_none_or(|after| position(message) > *after))
        .cloned()
        .collect();
    found.sort_by_key(position);
    let more = found.len() > settings.results_page;
    found.truncate(settings.results_page);
    let next = found.last().filter(|_| more).map(|last| write_cursor(&position(last)));
    let items: Vec<Value> = found.iter().map(|message| item(vendor, message)).collect();
    Ok(success(&json!({ "items": items, "next_cursor": next })))
}

fn position(message: &Message) -> (i64, String) {
    (message.updated_at, message.message_id.clone())
}

fn write_cursor((at, id): &(i64, String)) -> String {
    URL_SAFE_NO_PAD.encode(format!("{at} {id}"))
}

fn read_cursor(cursor: &str) -> Option<(i64, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (at, id) = text.split_once(' ')?;
    Some((at.parse().ok()?, id.to_owned()))
}

fn item(vendor: &Arc<SendTalk>, message: &Message) -> Value {
    let (status, result_code) = status_of(message);
    json!({
        "message_id": message.message_id,
        "reference": message.reference,
        "channel": message.channel.lower(),
        "status": status,
        "result_code": result_code,
        "carrier": message.carrier,
        "accepted_at": rfc3339(message.accepted_at),
        "occurred_at": rfc3339(message.updated_at),
        "fallback": fallback(&vendor.core, message),
    })
}

/// `GET /v1/account`.
pub(super) fn check(account: &SendTalkAccount) -> Answer {
    let profiles: Vec<Value> = account
        .sender_profiles
        .iter()
        .map(|profile| json!({ "key_last4": profile.key_last4(), "status": profile.status }))
        .collect();
    let status = match account.status {
        super::AccountStatus::Active => "active",
        super::AccountStatus::Suspended => "suspended",
    };
    success(&json!({
        "account_id": account.account_id,
        "status": status,
        "balance": account.balance.unwrap_or(1_000_000),
        "sender_numbers": account.sender_numbers,
        "sender_profiles": profiles,
    }))
}
