//! What both engines keep as JSON: lists that are always read and written whole.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use switchboard_providers::model::Channel;

use crate::{
    audit::FieldChange,
    provider_configs::FieldState,
    routing::{Canary, Routing},
    store::StoreError,
};

/// All of a routing but its primary, version and time, which are columns.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct RoutingDocument {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overrides: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failover: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<(String, i32)>,
}

#[derive(Serialize, Deserialize)]
struct FieldDocument {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    shown: String,
    set_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_expires_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct FieldChangeDocument {
    field: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    before: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    after: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    secret: bool,
}

fn write(document: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(document).map_err(|error| StoreError::inconsistent(error.to_string()))
}

fn read<'d, D: Deserialize<'d>>(what: &str, text: &'d str) -> Result<D, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::inconsistent(format!("{what}: {error}")))
}

fn instant(what: &str, micros: i64) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| StoreError::inconsistent(format!("{what}: {micros} is no instant")))
}

pub(super) fn write_routing(routing: &Routing) -> Result<String, StoreError> {
    let overrides = routing.overrides.iter().map(|(channel, provider)| (channel.to_string(), provider.clone()));
    write(&RoutingDocument {
        overrides: overrides.collect(),
        failover: routing.failover.clone(),
        canary: routing.canary.as_ref().map(|canary| (canary.provider.clone(), canary.percent)),
    })
}

pub(super) fn read_routing(
    primary: String,
    document: &str,
    version: i64,
    updated_at: Option<DateTime<Utc>>,
) -> Result<Routing, StoreError> {
    let document: RoutingDocument = read("a routing", document)?;
    let overrides = document.overrides.into_iter().map(|(channel, provider)| {
        let channel: Channel = channel.parse().map_err(|_| StoreError::inconsistent(format!("a channel {channel}")))?;
        Ok((channel, provider))
    });
    Ok(Routing {
        primary,
        overrides: overrides.collect::<Result<_, StoreError>>()?,
        failover: document.failover,
        canary: document.canary.map(|(provider, percent)| Canary { provider, percent }),
        version,
        updated_at,
    })
}

pub(super) fn write_fields(fields: &[FieldState]) -> Result<String, StoreError> {
    let documents: BTreeMap<&str, FieldDocument> = fields
        .iter()
        .map(|state| {
            let document = FieldDocument {
                shown: state.shown.clone(),
                set_at: state.set_at.timestamp_micros(),
                previous_expires_at: state.previous_expires_at.map(|at| at.timestamp_micros()),
            };
            (state.key.as_str(), document)
        })
        .collect();
    write(&documents)
}

pub(super) fn read_fields(text: &str) -> Result<Vec<FieldState>, StoreError> {
    let documents: BTreeMap<String, FieldDocument> = read("the fields of a config", text)?;
    let states = documents.into_iter().map(|(key, document)| {
        Ok(FieldState {
            key,
            shown: document.shown,
            set_at: instant("a field", document.set_at)?,
            previous_expires_at: document.previous_expires_at.map(|at| instant("a replaced secret", at)).transpose()?,
        })
    });
    states.collect()
}

pub(super) fn write_changes(changes: &[FieldChange]) -> Result<String, StoreError> {
    let documents: Vec<_> = changes
        .iter()
        .map(|change| FieldChangeDocument {
            field: change.field.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
            secret: change.secret,
        })
        .collect();
    write(&documents)
}

pub(super) fn read_changes(text: &str) -> Result<Vec<FieldChange>, StoreError> {
    let documents: Vec<FieldChangeDocument> = read("the changes of an audit event", text)?;
    let changes = documents.into_iter().map(|document| FieldChange {
        field: document.field,
        before: document.before,
        after: document.after,
        secret: document.secret,
    });
    Ok(changes.collect())
}

pub(super) fn write_roles(roles: &[String]) -> Result<String, StoreError> {
    write(&roles)
}

pub(super) fn read_roles(text: &str) -> Result<Vec<String>, StoreError> {
    read("the roles of an audit event", text)
}
