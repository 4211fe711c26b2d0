//! How much is open and set aside.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};

use super::StoreError;
use crate::message::Status;

/// Open messages that are counted at most, the longest due first: past it numbers stand still, and nobody is held up.
pub(super) const MOST_COUNTED: i64 = 50_000;

/// How much is open and set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Messages that somebody looks after, by state. What is `UNRESOLVED` nobody does.
    pub open: HashMap<Status, Open>,
    /// Messages of these whose turn has come and is not over.
    pub overdue: u64,
    /// Reports that wait for their message.
    pub parked: u64,
    /// Events that could not be read.
    pub quarantined: u64,
}

/// Messages in one state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// How many; at most 50,000 over all states are counted.
    pub count: u64,
    /// How long ago the oldest was recorded.
    pub oldest_age: Duration,
}

impl Census {
    /// Adds the messages in one state.
    pub(super) fn add(
        &mut self,
        status: &str,
        count: i64,
        overdue: i64,
        oldest: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let inconsistent = |why: crate::message::UnknownStatus| StoreError::Inconsistent {
            message_id: String::new(),
            why: why.to_string(),
        };
        let status = status.parse().map_err(inconsistent)?;
        let oldest_age = (now - oldest).to_std().unwrap_or_default();
        self.open.insert(status, Open { count: count.unsigned_abs(), oldest_age });
        self.overdue += overdue.unsigned_abs();
        Ok(())
    }
}
