//! What need not be kept any longer.

use chrono::{DateTime, Utc};

/// Until when what was kept before is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Of messages recorded before, text, content and images are blanked.
    pub texts: DateTime<Utc>,
    /// Messages recorded before are dropped; not later than `texts`, since only what is blanked is dropped. Where months
    /// are kept apart, a month goes as a whole once all of it is older. Notes of refused updates go with them.
    pub messages: DateTime<Utc>,
    /// Request ids used before may be used again.
    pub request_ids: DateTime<Utc>,
    /// Reports parked before will not meet their message any more.
    pub parked: DateTime<Utc>,
    /// Events quarantined before will not be replayed any more.
    pub quarantined: DateTime<Utc>,
    /// Whether months are seen to as well: room is made for those to come, and those that nobody may keep are dropped. Both
    /// lock tables for everybody, for a moment, so neither is for every batch.
    pub months: bool,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Messages blanked.
    pub texts: u64,
    /// Messages dropped one by one.
    pub messages: u64,
    /// Months dropped as a whole.
    pub months: u64,
    /// Request ids.
    pub request_ids: u64,
    /// Parked reports.
    pub parked: u64,
    /// Quarantined events.
    pub quarantined: u64,
    /// Not forgotten: parts of the work that have failed, while the others were done.
    pub failed: u64,
}

impl Forgotten {
    /// Whether some kind filled its batch: then there may be more.
    pub fn filled(&self, batch: u32) -> bool {
        let kinds = [self.texts, self.messages, self.request_ids, self.parked, self.quarantined];
        kinds.into_iter().any(|count| count >= u64::from(batch))
    }
}
