//! What happens to a message next if nothing is heard of it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Message, State};

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// What.
    pub action: Action,
    /// When, at the earliest.
    pub time: DateTime<Utc>,
    /// From when on nobody waits any more.
    pub give_up_time: DateTime<Utc>,
}

/// What reconciliation does about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Finds out whether the process that was sending it still lives.
    CheckSender,
    /// Asks the vendor; what it certainly does not have is sent once more.
    LookUp,
    /// Asks the vendor a last time, and waits no more.
    GiveUp,
}

impl Action {
    /// The word in the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CheckSender => "CHECK_SENDER",
            Self::LookUp => "LOOK_UP",
            Self::GiveUp => "GIVE_UP",
        }
    }
}

impl Message {
    /// What happens next; `None` when it is final or nobody waits for it any more. `result_horizon` is how long a result
    /// may take.
    pub fn next(&self, result_horizon: Duration) -> Option<Next> {
        let time = self.due_time?;
        let horizon = TimeDelta::from_std(result_horizon).ok();
        let give_up_time = horizon
            .and_then(|horizon| self.create_time.checked_add_signed(horizon))
            .unwrap_or(DateTime::<Utc>::MAX_UTC);
        let action = match self.state {
            State::Delivered { .. } | State::Failed { .. } | State::Unresolved(_) => return None,
            State::Requested => Action::CheckSender,
            State::InDoubt | State::Queued(_) | State::Sent(_) if time >= give_up_time => Action::GiveUp,
            State::InDoubt | State::Queued(_) | State::Sent(_) => Action::LookUp,
        };
        Some(Next { action, time, give_up_time })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use switchboard_providers::model::Channel;

    use super::*;
    use crate::message::{Content, Receipt, Route};

    fn message(state: State, due_time: Option<i64>) -> Message {
        let route = Route {
            provider: "cloudmsg".to_owned(),
            provider_account: "svc".to_owned(),
            account_organization_id: "default".to_owned(),
            config_revision: 1,
            provider_config_version: 1,
        };
        Message {
            id: "m".to_owned(),
            organization_id: "acme".to_owned(),
            request_id: String::new(),
            channel: Channel::Sms,
            to: "+821012345678".to_owned(),
            sender: "15881234".to_owned(),
            content: Content::Archived { text: String::new() },
            labels: BTreeMap::new(),
            route,
            state,
            events: Vec::new(),
            fallback_message_id: String::new(),
            create_time: DateTime::UNIX_EPOCH,
            due_time: due_time.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
            checks: 0,
        }
    }

    #[test]
    fn every_open_state_has_a_next_action_and_no_other_has_one() {
        let receipt = || Receipt { provider_message_id: "v".to_owned(), accept_time: DateTime::UNIX_EPOCH };
        let action = |state, due| message(state, due).next(Duration::from_secs(100)).map(|next| next.action);
        assert_eq!(action(State::Requested, Some(30)), Some(Action::CheckSender));
        for state in [State::InDoubt, State::Queued(receipt()), State::Sent(receipt())] {
            assert_eq!(action(state.clone(), Some(99)), Some(Action::LookUp));
            assert_eq!(action(state, Some(100)), Some(Action::GiveUp));
        }
        assert_eq!(action(State::Unresolved(None), None), None);
        let delivered = State::Delivered { receipt: receipt(), result_time: DateTime::UNIX_EPOCH };
        assert_eq!(action(delivered, None), None);
    }

    #[test]
    fn an_endless_horizon_is_never_reached() {
        let next = message(State::InDoubt, Some(30)).next(Duration::MAX);
        assert_eq!(next.map(|next| next.action), Some(Action::LookUp));
    }
}
