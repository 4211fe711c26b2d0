//! The way of one callback: read the raw body, verify, parse, hand on. Nothing is believed before it is verified.

use axum::body::{Body, Bytes};
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use switchboard_proto::dispatch::v1::{StatusUpdate, UnreadableEvent};
use switchboard_providers::{Vendor, WebhookEvent};
use switchboard_runtime::trace::{self, Work};
use tokio::time::timeout;

use super::{
    Gateway,
    convert::{status_update, unreadable_event},
    holders::Holders,
    rejection::Rejection,
};

/// Longest body (contract, webhook-gateway).
const MAX_BODY: usize = 1 << 20;

/// Whose word a verified callback is.
struct Verified<'a> {
    provider: &'static str,
    account: &'a str,
    organization_ids: Vec<String>,
}

pub(super) async fn take(
    gateway: &Gateway,
    vendor: &dyn Vendor,
    headers: &HeaderMap,
    body: Body,
) -> Result<(), Rejection> {
    let begun = trace::begin();
    let Ok(_permit) = gateway.under_way.try_acquire() else {
        return Err(Rejection::Overloaded);
    };
    if gateway.watch.position().is_none() {
        return Err(Rejection::NoSecretsYet);
    }
    let body = read(gateway, headers, body).await?;
    let verified = verify(gateway, vendor, headers, &body)?;
    let (updates, unreadable) = sorted(&verified, vendor.webhooks().parse(&body)?);
    let traced: Vec<String> = if trace::is_on() {
        updates.iter().map(|update| update.client_reference.clone()).collect()
    } else {
        Vec::new()
    };
    // What cannot be read must not hold up the rest, even where it cannot be kept: the vendor comes again, and what has
    // been applied by then is a duplicate.
    let (reported, kept) = tokio::join!(gateway.reporter.report(updates), gateway.reporter.quarantine(unreadable));
    let outcome = if reported.is_ok() { "committed" } else { "not_committed" };
    for message_id in traced {
        begun.part(&message_id, "callback", Work::Answer, || {
            vec![("provider", vendor.descriptor().code.to_owned()), ("outcome", outcome.to_owned())]
        });
    }
    reported?;
    Ok(kept?)
}

async fn read(gateway: &Gateway, headers: &HeaderMap, body: Body) -> Result<Bytes, Rejection> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(Rejection::TooLarge);
    }
    let collected = timeout(gateway.body_timeout, Limited::new(body, MAX_BODY).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Rejection::TooLarge),
        Ok(Err(_)) => Err(Rejection::BodyBroken),
        Err(_) => Err(Rejection::BodyTooSlow),
    }
}

/// Finds whose secret has signed. The account in the headers only chooses the secrets to try.
fn verify<'h>(
    gateway: &Gateway,
    vendor: &dyn Vendor,
    headers: &'h HeaderMap,
    body: &[u8],
) -> Result<Verified<'h>, Rejection> {
    let (now, provider) = (gateway.clock.now(), vendor.descriptor().code);
    let account = vendor.webhooks().account(headers)?;
    let signers = gateway.secrets.signers(provider, account);
    let holders = Holders::of(&signers, now);
    let fitting = vendor.webhooks().verify(headers, body, &holders.secrets(), now);
    let organization_ids = fitting.as_ref().map_or_else(|_| Vec::new(), |fitting| holders.organization_ids(fitting));
    if organization_ids.is_empty() {
        // Named only where it is an account of ours: anything else a stranger may have written.
        if fitting.is_ok() && !signers.is_empty() {
            tracing::warn!(
                provider,
                account,
                "a callback in the name of this account is not signed with a secret of it"
            );
        }
        return Err(fitting
            .err()
            .map_or(Rejection::Unverified("no secret of this account fits the signature"), Into::into));
    }
    Ok(Verified { provider, account, organization_ids })
}

/// The updates in a callback, and the events that cannot be read. What is not about a message is counted, and done with.
fn sorted(verified: &Verified<'_>, events: Vec<WebhookEvent>) -> (Vec<StatusUpdate>, Vec<UnreadableEvent>) {
    let Verified { provider, account, organization_ids } = verified;
    let count = |kind: &'static str| {
        metrics::counter!("switchboard_webhook_events_total", "provider" => *provider, "kind" => kind).increment(1);
    };
    let (mut updates, mut unreadable) = (Vec::with_capacity(events.len()), Vec::new());
    for event in events {
        match event {
            WebhookEvent::Report(report) => {
                count("report");
                updates.push(status_update(provider, account, organization_ids, *report));
            }
            WebhookEvent::Ignored { kind } => {
                count("ignored");
                tracing::info!(provider, account, kind, "event of a type that is not about a message");
            }
            WebhookEvent::Malformed { index, why, raw } => {
                count("malformed");
                tracing::warn!(provider, account, index, why, "an event in a verified callback cannot be read");
                unreadable.push(unreadable_event(provider, account, organization_ids, why, raw));
            }
        }
    }
    (updates, unreadable)
}
