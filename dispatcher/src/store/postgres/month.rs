//! Where the usual batch is written and usual reports find their messages: in the tables of the month themselves, where all
//! of it is of one month.
//!
//! Through the partitioned tables the server would open every month for each batch, and find the right one for each row: a
//! tenth of what a send costs it. A batch over the turn of a month goes through them, and so does one of a month that has no
//! tables yet, or whose tables this role may not write to by their own names.

use std::sync::Arc;

use chrono::{DateTime, Datelike as _, Utc};
use sqlx::PgConnection;

use super::{
    read::{Place, reading},
    statement::Variants,
};
use crate::store::Presumed;

/// Two tables that are partitioned alike, or one month of both.
pub(super) struct Tables {
    /// Messages.
    pub(super) messages: String,
    /// What vendors call them.
    pub(super) names: String,
}

impl Tables {
    /// All months.
    pub(super) fn whole() -> Self {
        Self { messages: "messages".to_owned(), names: "provider_message_ids".to_owned() }
    }

    /// One month, such as `2026_11` (UTC).
    pub(super) fn of(month: &str) -> Self {
        Self { messages: format!("messages_{month}"), names: format!("provider_message_ids_{month}") }
    }
}

/// The months in both tables. Each is a whole one: what lies in a part of it only, the history of before, is called
/// otherwise.
const MONTHS: &str = "SELECT right(name, 7) FROM history_partitions('messages') \
    WHERE name ~ '^messages_\\d{4}_\\d\\d$' AND has_table_privilege(name, 'SELECT') \
    AND has_table_privilege(name, 'INSERT') AND has_table_privilege(name, 'UPDATE') \
    AND EXISTS (SELECT FROM history_partitions('provider_message_ids') AS names \
    WHERE names.name = 'provider_message_ids_' || right(history_partitions.name, 7) \
    AND has_table_privilege(names.name, 'INSERT'))";

/// The statements over certain tables.
pub(super) struct Over {
    /// Writes the usual batch.
    pub(super) write: Variants,
    /// Reads messages by their ids.
    pub(super) read: Arc<str>,
}

impl Over {
    fn new(tables: &Tables) -> Self {
        Self { write: Variants::over(tables), read: reading(&tables.messages).into() }
    }
}

/// The statements over each month and over all.
pub(super) struct Statements {
    months: Vec<(String, Over)>,
    whole: Over,
}

impl Statements {
    /// Asks which months there are now.
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let months: Vec<String> = sqlx::query_scalar(MONTHS).fetch_all(connection).await?;
        let months = months.into_iter().map(|month| {
            let over = Over::new(&Tables::of(&month));
            (month, over)
        });
        Ok(Self { months: months.collect(), whole: Over::new(&Tables::whole()) })
    }

    /// The one that writes a batch.
    pub(super) fn for_batch(&self, batch: &Presumed) -> &Variants {
        let new = batch.records.iter().map(|new| new.message.create_time);
        &self.over(new.chain(batch.settled.iter().map(|update| update.message.create_time))).write
    }

    /// The one that reads what is looked for there.
    pub(super) fn for_places(&self, places: &[Place]) -> &Arc<str> {
        &self.over(places.iter().flat_map(|(_, window)| [window.from, window.until])).read
    }

    fn over(&self, times: impl Iterator<Item = DateTime<Utc>>) -> &Over {
        let known = one_month(times).and_then(|month| self.months.iter().find(|(name, _)| *name == month));
        known.map_or(&self.whole, |(_, over)| over)
    }
}

/// The month in which all of them lie.
fn one_month(mut times: impl Iterator<Item = DateTime<Utc>>) -> Option<String> {
    let month = |time: DateTime<Utc>| (time.year(), time.month());
    let first = times.next()?;
    times.all(|time| month(time) == month(first)).then(|| first.format("%Y_%m").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_over_the_turn_of_a_month_has_no_month() {
        let at = |time: &str| time.parse::<DateTime<Utc>>().unwrap();
        let (last, first) = (at("2026-11-30T23:59:59.999999Z"), at("2026-12-01T00:00:00Z"));
        assert_eq!(one_month([last, at("2026-11-01T00:00:00Z")].into_iter()).as_deref(), Some("2026_11"));
        assert_eq!(one_month([last, first].into_iter()), None);
        assert_eq!(one_month([first, at("2025-12-01T00:00:00Z")].into_iter()), None);
        assert_eq!(one_month([].into_iter()), None);
    }
}
