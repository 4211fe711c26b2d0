//! The message as it is recorded: the draft, and the way that was chosen for it.

use chrono::{DateTime, Utc};

use super::SendError;
use crate::{
    message::{Content, EventKind, Message, Route, State},
    prepare::Draft,
    resolver::{Account, Choice},
};

/// The way through an account.
pub(super) fn route(account: &Account, config_revision: i64) -> Route {
    Route {
        provider: account.vendor.code.to_owned(),
        provider_account: account.provider_account.clone(),
        account_organization_id: account.organization_id.clone(),
        config_revision,
        provider_config_version: account.version,
    }
}

/// The message in its first state.
pub(super) fn message(draft: Draft, choice: &Choice, id: String, now: DateTime<Utc>) -> Result<Message, SendError> {
    let account = &choice.account;
    let default_sender = |field| {
        account
            .default_sender
            .as_ref()
            .map(|sender| sender.as_str().to_owned())
            .ok_or_else(|| SendError::NoSender { provider_account: account.provider_account.clone(), field })
    };
    let mut content = draft.content;
    let sender = match (&mut content, draft.sender) {
        (Content::Alimtalk(alimtalk), _) => {
            if let Some(fallback) = alimtalk.fallback.as_mut() {
                fallback.by_vendor = account.vendor.sends_fallback;
                if fallback.sender.is_empty() {
                    fallback.sender = default_sender("fallback.sender")?;
                }
            }
            String::new()
        }
        (_, Some(sender)) => sender.as_str().to_owned(),
        (_, None) => default_sender("sender")?,
    };
    let mut message = Message {
        id,
        organization_id: draft.organization_id,
        request_id: draft.request_id,
        channel: draft.channel,
        to: draft.to.e164().to_owned(),
        sender,
        content,
        labels: draft.labels,
        route: route(account, choice.config_revision),
        state: State::Requested,
        events: Vec::new(),
        fallback_message_id: String::new(),
        create_time: now,
        due_time: None,
        checks: 0,
    };
    message.note(EventKind::Recorded, now, "", None);
    Ok(message)
}
