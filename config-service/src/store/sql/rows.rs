//! Rows as what they mean. Both engines have the same columns; how a column is read is the engine's ([`Columns`]).

use chrono::{DateTime, Utc};

use super::documents;
use crate::{
    audit::{Draft, Event, Hash},
    organizations::Organization,
    provider_configs::{ProviderConfig, StoredConfig},
    routing::Routing,
    sealing::SealedRecord,
    store::{ChangeRecord, NodeReport, Position, Result, SealedEntry, SealedRow, Standing, StoreError},
};

/// Reads the columns of a row.
pub(in crate::store) trait Columns {
    fn text(&self, column: &str) -> Result<String>;
    fn number(&self, column: &str) -> Result<i64>;
    fn bytes(&self, column: &str) -> Result<Vec<u8>>;
    fn flag(&self, column: &str) -> Result<bool>;
    /// `None`: it is not set.
    fn instant(&self, column: &str) -> Result<Option<DateTime<Utc>>>;
    fn is_null(&self, column: &str) -> Result<bool>;
}

fn instant(row: &impl Columns, column: &str) -> Result<DateTime<Utc>> {
    row.instant(column)?.ok_or_else(|| StoreError::inconsistent(format!("{column} is not set")))
}

pub(super) fn organization(row: &impl Columns) -> Result<Organization> {
    Ok(Organization {
        organization_id: row.text("organization_id")?,
        name: row.text("name")?,
        version: row.number("version")?,
        provider: row.text("provider")?,
        created_at: instant(row, "create_time")?,
        updated_at: instant(row, "update_time")?,
    })
}

pub(super) fn routing(row: &impl Columns) -> Result<Routing> {
    documents::read_routing(
        row.text("primary_provider")?,
        &row.text("routing")?,
        row.number("routing_version")?,
        row.instant("routing_update_time")?,
    )
}

pub(super) fn sealed(row: &impl Columns) -> Result<SealedRecord> {
    Ok(SealedRecord {
        data: row.bytes("sealed")?,
        wrapped_key: row.bytes("wrapped_key")?,
        key_version: key_version(row.number("key_version")?)?,
    })
}

pub(super) fn key_version(number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| StoreError::inconsistent(format!("a key version {number}")))
}

pub(super) fn config(row: &impl Columns) -> Result<StoredConfig> {
    let provider = row.text("provider")?;
    let active = row.text("primary_provider")? == provider;
    let config = ProviderConfig {
        organization_id: row.text("organization_id")?,
        provider,
        account: row.text("provider_account")?,
        fields: documents::read_fields(&row.text("fields")?)?,
        version: row.number("version")?,
        active,
        created_at: instant(row, "create_time")?,
        updated_at: instant(row, "update_time")?,
    };
    Ok(StoredConfig { config, sealed: sealed(row)? })
}

pub(super) fn sealed_row(row: &impl Columns) -> Result<SealedRow> {
    Ok(SealedRow {
        organization_id: row.text("organization_id")?,
        provider: row.text("provider")?,
        version: row.number("version")?,
        sealed: sealed(row)?,
    })
}

/// Rows of organisations joined with their configs, ordered by organisation, as entries.
pub(super) fn entries<C: Columns>(rows: &[C]) -> Result<Vec<SealedEntry>> {
    let mut entries: Vec<SealedEntry> = Vec::new();
    for row in rows {
        let organization_id = row.text("organization_id")?;
        if entries.last().is_none_or(|last| last.organization_id != organization_id) {
            let (routing, revision) = (routing(row)?, row.number("revision")?);
            entries.push(SealedEntry { organization_id, routing, configs: Vec::new(), revision });
        }
        if !row.is_null("provider")?
            && let Some(entry) = entries.last_mut()
        {
            entry.configs.push(config(row)?);
        }
    }
    Ok(entries)
}

pub(super) fn standing(row: &impl Columns) -> Result<Standing> {
    Ok(Standing { key_ring: row.text("key_ring")?, key_floor: key_version(row.number("key_floor")?)? })
}

pub(super) fn position(row: &impl Columns) -> Result<Position> {
    Ok(Position {
        epoch: row.text("epoch")?,
        revision: row.number("current_revision")?,
        retained_after: row.number("retained_after")?,
    })
}

pub(super) fn change(row: &impl Columns) -> Result<ChangeRecord> {
    Ok(ChangeRecord {
        revision: row.number("revision")?,
        organization_id: row.text("organization_id")?,
        committed_at: instant(row, "commit_time")?,
    })
}

pub(super) fn hash(bytes: Vec<u8>) -> Result<Hash> {
    Hash::try_from(bytes).map_err(|_| StoreError::inconsistent("a hash in the audit trail is not 32 bytes long"))
}

pub(super) fn event(row: &impl Columns) -> Result<Event> {
    let what = Draft {
        at: instant(row, "event_time")?,
        actor: row.text("actor")?,
        roles: documents::read_roles(&row.text("roles")?)?,
        action: row.text("action")?,
        organization_id: row.text("organization_id")?,
        provider: row.text("provider")?,
        outcome: row.text("outcome")?,
        changes: documents::read_changes(&row.text("changes")?)?,
        forced: row.flag("forced")?,
        request_id: row.text("request_id")?,
        peer: row.text("peer")?,
    };
    Ok(Event {
        sequence: row.number("sequence")?,
        what,
        revision: row.number("revision")?,
        hash: hash(row.bytes("hash")?)?,
    })
}

pub(super) fn node(row: &impl Columns) -> Result<NodeReport> {
    let kind = row.text("kind")?;
    Ok(NodeReport {
        node_id: row.text("node_id")?,
        kind: kind.parse().map_err(|()| StoreError::inconsistent(format!("a kind of node {kind:?}")))?,
        applied: row.number("applied")?,
        nack_reason: row.text("nack_reason")?,
        last_seen: instant(row, "last_seen")?,
    })
}
