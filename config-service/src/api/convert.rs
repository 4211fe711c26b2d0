//! Proto and domain: the only place that names both.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use secrecy::ExposeSecret as _;
use switchboard_proto::{
    common::v1::Channel as ProtoChannel,
    config::v1::{self as proto, watch_response::Response},
};
use switchboard_providers::{
    Credentials, Vendor,
    credentials::{FormField, Localized},
    model::{Channel, Failure},
};
use switchboard_runtime::wire::{LAST_SECOND, from_std_duration, from_timestamp, to_timestamp};

use crate::{
    audit::{Event, FieldChange, Head, SignedHead},
    connection_test::TestReport,
    error::Violation,
    organizations::Organization,
    provider_configs::{FieldState, ProviderConfig},
    routing::{Canary, Routing},
    watch::{Account, Delivery, Entry, Node, NodeKind},
};

fn localized(text: Localized) -> proto::LocalizedText {
    proto::LocalizedText { ko: text.ko.to_owned(), en: text.en.to_owned() }
}

fn channel(channel: Channel) -> ProtoChannel {
    match channel {
        Channel::Sms => ProtoChannel::Sms,
        Channel::Lms => ProtoChannel::Lms,
        Channel::Mms => ProtoChannel::Mms,
        Channel::Alimtalk => ProtoChannel::Alimtalk,
    }
}

fn read_channel(value: i32) -> Option<Channel> {
    match ProtoChannel::try_from(value).ok()? {
        ProtoChannel::Unspecified => None,
        ProtoChannel::Sms => Some(Channel::Sms),
        ProtoChannel::Lms => Some(Channel::Lms),
        ProtoChannel::Mms => Some(Channel::Mms),
        ProtoChannel::Alimtalk => Some(Channel::Alimtalk),
    }
}

pub(super) fn provider(vendor: &dyn Vendor) -> proto::Provider {
    let descriptor = vendor.descriptor();
    let form = descriptor.form.fields.iter().map(|field| proto::FormField {
        key: field.key.to_owned(),
        label: Some(localized(field.label)),
        secret: field.secret,
        required: field.required,
        pattern: field.pattern.to_owned(),
        help: Some(localized(field.help)),
    });
    proto::Provider {
        provider: descriptor.code.to_owned(),
        name: Some(localized(descriptor.name)),
        channels: descriptor.channels.iter().map(|one| channel(*one).into()).collect(),
        form: form.collect(),
    }
}

pub(super) fn organization(organization: Organization) -> proto::Organization {
    proto::Organization {
        organization_id: organization.organization_id,
        name: organization.name,
        version: organization.version,
        provider: organization.provider,
        create_time: Some(to_timestamp(organization.created_at)),
        update_time: Some(to_timestamp(organization.updated_at)),
    }
}

/// A config with every field of the form, in its order.
pub(super) fn provider_config(config: ProviderConfig, vendor: &dyn Vendor) -> proto::ProviderConfig {
    let states = &config.fields;
    let field = |field: &FormField| {
        let state = states.iter().find(|state| state.key == field.key);
        credential_field(field, state)
    };
    proto::ProviderConfig {
        fields: vendor.descriptor().form.fields.iter().map(field).collect(),
        organization_id: config.organization_id,
        provider: config.provider,
        provider_account: config.account,
        version: config.version,
        active: config.active,
        create_time: Some(to_timestamp(config.created_at)),
        update_time: Some(to_timestamp(config.updated_at)),
    }
}

fn credential_field(field: &FormField, state: Option<&FieldState>) -> proto::CredentialField {
    // What the form calls secret today is not shown, whatever it was called when it was stored.
    let shown = state.filter(|_| !field.secret).map(|state| state.shown.clone());
    proto::CredentialField {
        key: field.key.to_owned(),
        is_set: state.is_some(),
        value: shown.unwrap_or_default(),
        set_time: state.map(|state| to_timestamp(state.set_at)),
        previous_expire_time: state.and_then(|state| state.previous_expires_at).map(expiry),
    }
}

/// When a replaced secret ends: no later than a `Timestamp` can say, since what was once stored may.
fn expiry(at: DateTime<Utc>) -> Timestamp {
    let at = to_timestamp(at);
    Timestamp { seconds: at.seconds.min(LAST_SECOND), ..at }
}

/// Credentials as given. The map's own strings go into types that are wiped.
pub(super) fn credentials(given: std::collections::HashMap<String, String>) -> Credentials {
    given.into_iter().collect()
}

pub(super) fn routing(routing: Routing) -> proto::Routing {
    let overrides = routing
        .overrides
        .into_iter()
        .map(|(kind, provider)| proto::ChannelOverride { channel: channel(kind).into(), provider });
    proto::Routing {
        primary: routing.primary,
        channel_overrides: overrides.collect(),
        failover: routing.failover,
        canary: routing.canary.map(|canary| proto::Canary { provider: canary.provider, percent: canary.percent }),
        version: routing.version,
        update_time: routing.updated_at.map(to_timestamp),
    }
}

pub(super) fn read_routing(routing: Option<proto::Routing>) -> Result<Routing, Vec<Violation>> {
    let Some(routing) = routing else { return Err(vec![Violation::new("routing", "is required")]) };
    let mut violations = Vec::new();
    let mut overrides = Vec::with_capacity(routing.channel_overrides.len());
    for (index, one) in routing.channel_overrides.into_iter().enumerate() {
        match read_channel(one.channel) {
            Some(channel) => overrides.push((channel, one.provider)),
            None => violations.push(Violation::new(
                format!("routing.channel_overrides[{index}].channel"),
                "must be CHANNEL_SMS, CHANNEL_LMS, CHANNEL_MMS or CHANNEL_ALIMTALK",
            )),
        }
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(Routing {
        primary: routing.primary,
        overrides,
        failover: routing.failover,
        canary: routing.canary.map(|canary| Canary { provider: canary.provider, percent: canary.percent }),
        version: routing.version,
        updated_at: None,
    })
}

pub(super) fn connection_failure(failure: &Failure) -> proto::ConnectionFailure {
    proto::ConnectionFailure {
        code: failure.code.as_str().to_owned(),
        provider_code: failure.provider_code.clone(),
        detail: failure.detail.clone(),
    }
}

pub(super) fn test_report(report: &TestReport, connection_test_token: String) -> proto::TestConnectionResponse {
    proto::TestConnectionResponse {
        ok: report.result.is_ok(),
        latency: Some(from_std_duration(report.latency)),
        failure: report.result.as_ref().err().map(connection_failure),
        connection_test_token,
    }
}

fn audit_change(change: FieldChange) -> proto::AuditChange {
    let FieldChange { field, before, after, secret } = change;
    proto::AuditChange { field, before, after, secret }
}

pub(super) fn audit_event(event: Event) -> proto::AuditEvent {
    let Event { sequence, what, revision, hash } = event;
    proto::AuditEvent {
        sequence,
        event_time: Some(to_timestamp(what.at)),
        actor: what.actor,
        roles: what.roles,
        action: what.action,
        organization_id: what.organization_id,
        provider: what.provider,
        outcome: what.outcome,
        changes: what.changes.into_iter().map(audit_change).collect(),
        forced: what.forced,
        request_id: what.request_id,
        peer: what.peer,
        revision,
        hash: hash.to_vec(),
    }
}

pub(super) fn audit_head(signed: SignedHead) -> proto::AuditHead {
    proto::AuditHead {
        count: signed.head.count,
        hash: signed.head.hash.to_vec(),
        signature: signed.signature,
        sign_time: Some(to_timestamp(signed.signed_at)),
    }
}

pub(super) fn read_audit_head(head: proto::AuditHead) -> Result<SignedHead, Violation> {
    let hash = head.hash.try_into();
    let signed_at = head.sign_time.as_ref().map(from_timestamp);
    match (hash, signed_at) {
        (Ok(hash), Some(Ok(signed_at))) => {
            Ok(SignedHead { head: Head { count: head.count, hash }, signature: head.signature, signed_at })
        }
        _ => Err(Violation::new("known_head", "is not complete: give the head of GetAuditHead as it came")),
    }
}

pub(super) fn node(node: Node, revision: i64) -> proto::NodePropagation {
    proto::NodePropagation {
        node_id: node.node_id,
        kind: node.kind.as_str().to_owned(),
        applied: node.applied >= revision,
        applied_revision: node.applied,
        nack_reason: node.nack_reason,
        last_seen_time: Some(to_timestamp(node.last_seen)),
    }
}

pub(super) fn read_node_kind(kind: i32) -> Option<NodeKind> {
    match proto::NodeKind::try_from(kind).ok()? {
        proto::NodeKind::Unspecified => None,
        proto::NodeKind::Dispatcher => Some(NodeKind::Dispatcher),
        proto::NodeKind::WebhookGateway => Some(NodeKind::WebhookGateway),
    }
}

/// An entry as a node of this kind needs it, and not a byte more.
pub(super) fn entry(entry: &Entry, kind: NodeKind, now: DateTime<Utc>) -> proto::OrganizationEntry {
    let accounts = entry.accounts.iter();
    let (routing, accounts) = match kind {
        NodeKind::Dispatcher => (Some(routing(entry.routing.clone())), accounts.map(sending_account).collect()),
        NodeKind::WebhookGateway => (None, accounts.flat_map(|account| signing_accounts(account, now)).collect()),
    };
    proto::OrganizationEntry {
        organization_id: entry.organization_id.clone(),
        routing,
        accounts,
        revision: entry.revision,
    }
}

fn sending_account(account: &Account) -> proto::ProviderAccount {
    proto::ProviderAccount {
        provider: account.provider.clone(),
        provider_account: account.name.clone(),
        version: account.version,
        credentials: account.sending().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        webhook_secrets: Vec::new(),
    }
}

/// One account, or two while the secrets of a replaced one may still sign.
fn signing_accounts(account: &Account, now: DateTime<Utc>) -> Vec<proto::ProviderAccount> {
    let mut accounts: Vec<proto::ProviderAccount> = Vec::new();
    for signer in account.signers(now) {
        let secret = proto::WebhookSecret {
            secret: signer.secret.expose_secret().to_owned(),
            expire_time: signer.expires_at.map(expiry),
        };
        match accounts.iter_mut().find(|known| known.provider_account == signer.account) {
            Some(known) => known.webhook_secrets.push(secret),
            None => accounts.push(proto::ProviderAccount {
                provider: account.provider.clone(),
                provider_account: signer.account,
                version: account.version,
                credentials: std::collections::HashMap::new(),
                webhook_secrets: vec![secret],
            }),
        }
    }
    accounts
}

/// A delivery as a node of this kind needs it.
pub(super) fn watch_response(delivery: Delivery, kind: NodeKind, now: DateTime<Utc>) -> proto::WatchResponse {
    let response = match delivery {
        Delivery::SnapshotBegin { position, count } => Response::SnapshotBegin(proto::SnapshotBegin {
            revision: position.revision,
            epoch: position.epoch,
            entry_count: count,
        }),
        Delivery::Entries(entries) => Response::Entries(proto::SnapshotEntries {
            entries: entries.iter().map(|one| entry(one, kind, now)).collect(),
        }),
        Delivery::SnapshotEnd { revision } => Response::SnapshotEnd(proto::SnapshotEnd { revision }),
        Delivery::Change(delta) => Response::Change(proto::Change {
            revision: delta.revision,
            organization_id: delta.organization_id.clone(),
            entry: delta.entry.as_ref().and_then(|one| changed(one, kind, now)),
        }),
        Delivery::Heartbeat { revision, epoch } => Response::Heartbeat(proto::Heartbeat { revision, epoch }),
    };
    proto::WatchResponse { response: Some(response) }
}

/// For a gateway an organisation without accounts is not there, in changes as in snapshots.
pub(super) fn changed(one: &Entry, kind: NodeKind, now: DateTime<Utc>) -> Option<proto::OrganizationEntry> {
    let nothing = kind == NodeKind::WebhookGateway && one.accounts.is_empty();
    (!nothing).then(|| entry(one, kind, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_secret_of_any_end_can_be_read_by_whoever_gets_it() {
        let late = from_timestamp(&expiry(DateTime::<Utc>::MAX_UTC)).unwrap();
        assert_eq!(late.timestamp(), LAST_SECOND);
        assert_eq!(from_timestamp(&expiry(DateTime::UNIX_EPOCH)), Ok(DateTime::UNIX_EPOCH));
    }
}
