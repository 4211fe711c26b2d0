//! A message as its columns, and back: the same for every engine.

use chrono::{DateTime, Utc};
use switchboard_providers::model::{Failure, FailureCode};

use super::StoreError;
use crate::message::{Content, Message, Receipt, Route, State, Status};

/// The columns of a message, in the order of [`Stored`]'s fields.
macro_rules! columns {
    () => {
        "id, organization_id, type, recipient, sender, body, status, created_at, provider, provider_account, \
         account_organization_id, config_revision, provider_config_version, provider_message_id, request_id, labels, \
         content, events, failure, fallback_message_id, accepted_at, result_at, due_at, checks"
    };
}
pub(super) use columns;

/// A row.
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) organization_id: String,
    pub(super) channel: String,
    pub(super) recipient: String,
    pub(super) sender: String,
    pub(super) body: String,
    pub(super) status: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) provider: String,
    pub(super) provider_account: String,
    pub(super) account_organization_id: String,
    pub(super) config_revision: i64,
    pub(super) provider_config_version: i64,
    pub(super) provider_message_id: String,
    pub(super) request_id: String,
    pub(super) labels: String,
    pub(super) content: String,
    pub(super) events: String,
    pub(super) failure: Option<String>,
    pub(super) fallback_message_id: String,
    pub(super) accepted_at: Option<DateTime<Utc>>,
    pub(super) result_at: Option<DateTime<Utc>>,
    pub(super) due_at: Option<DateTime<Utc>>,
    pub(super) checks: i64,
}

impl Stored {
    /// The message, without its images: they are wanted only where it is sent again.
    ///
    /// # Errors
    ///
    /// When the row makes no sense.
    pub(super) fn into_message(self) -> Result<Message, StoreError> {
        let message_id = self.id.clone();
        self.read().map_err(|why| StoreError::Inconsistent { message_id, why: why.to_string() })
    }

    fn read(self) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
        let channel = self.channel.parse()?;
        let state = self.state()?;
        Ok(Message {
            id: self.id,
            organization_id: self.organization_id,
            request_id: self.request_id,
            channel,
            to: self.recipient,
            sender: self.sender,
            content: Content::restore(channel, self.body, &self.content, Vec::new())?,
            labels: serde_json::from_str(&self.labels)?,
            route: Route {
                provider: self.provider,
                provider_account: self.provider_account,
                account_organization_id: self.account_organization_id,
                config_revision: self.config_revision,
                provider_config_version: self.provider_config_version,
            },
            state,
            events: serde_json::from_str(&self.events)?,
            fallback_message_id: self.fallback_message_id,
            create_time: self.created_at,
            due_time: self.due_at,
            checks: self.checks.try_into()?,
        })
    }

    fn state(&self) -> Result<State, Box<dyn std::error::Error + Send + Sync>> {
        let status: Status = self.status.parse()?;
        let provider_message_id = || self.provider_message_id.clone();
        let receipt =
            self.accepted_at.map(|accept_time| Receipt { provider_message_id: provider_message_id(), accept_time });
        // Rows of the history before this one have neither receipt nor result time.
        let known = || match &receipt {
            Some(receipt) => receipt.clone(),
            None => Receipt { provider_message_id: String::new(), accept_time: self.created_at },
        };
        let result_time = self.result_at.unwrap_or(self.created_at);
        Ok(match status {
            Status::Requested => State::Requested,
            Status::InDoubt => State::InDoubt,
            Status::Queued => State::Queued(known()),
            Status::Sent => State::Sent(known()),
            Status::Delivered => State::Delivered { receipt: known(), result_time },
            Status::Failed => {
                let failure = self.failure.as_deref().map(serde_json::from_str).transpose()?;
                State::Failed { failure: failure.unwrap_or_else(unknown_failure), receipt, result_time }
            }
            Status::Unresolved => State::Unresolved(receipt),
        })
    }
}

/// The history before this one did not say why.
fn unknown_failure() -> Failure {
    Failure::new(FailureCode::Unknown, "", "the reason was not recorded", false)
}

/// Maps of strings and lists of plain structs always serialise.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
