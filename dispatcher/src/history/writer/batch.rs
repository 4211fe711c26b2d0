//! What of the waiting writes can be written without a look, and who waits for it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::super::{HistoryError, Job, Reply};
use crate::{
    message::Settlement,
    store::{NewMessage, Presumed, Store, Update, Write, Written},
};

/// Writes that are presumed to go through as they are.
#[derive(Default)]
pub(super) struct Batch {
    records: Vec<(NewMessage, Reply)>,
    settled: Vec<(Update, Asked)>,
}

/// What was asked for, should the presumption not hold.
struct Asked {
    settlement: Settlement,
    at: chrono::DateTime<chrono::Utc>,
    reply: Reply,
}

impl Batch {
    /// Takes those that can be presumed; the rest must go the long way.
    pub(super) fn of(jobs: impl Iterator<Item = Job>, reconcile_after: Duration) -> (Self, Vec<Job>) {
        let (mut batch, mut rest) = (Self::default(), Vec::new());
        for Job { write, known, reply } in jobs {
            match write {
                Write::Record(mut new) => {
                    if new.presume(reconcile_after) {
                        batch.records.push((*new, reply));
                    } else {
                        rest.push(Job { write: Write::Record(new), known, reply });
                    }
                }
                Write::Settle { message_id, settlement, at } => {
                    let update = known.as_deref().and_then(|m| Update::presume(m, &settlement, at, reconcile_after));
                    match update {
                        Some(update) => batch.settled.push((update, Asked { settlement, at, reply })),
                        None => rest.push(Job { write: Write::Settle { message_id, settlement, at }, known, reply }),
                    }
                }
                write => rest.push(Job { write, known, reply }),
            }
        }
        batch.put_in_order(&mut rest);
        (batch, rest)
    }

    /// In the order in which engines lock rows. What is there twice is presumed once.
    fn put_in_order(&mut self, rest: &mut Vec<Job>) {
        self.records.sort_by(|(a, _), (b, _)| request(a).cmp(&request(b)));
        self.settled.sort_by(|(a, _), (b, _)| a.message.id.cmp(&b.message.id));
        for index in (1..self.records.len()).rev() {
            let (one, other) = (request(&self.records[index - 1].0), request(&self.records[index].0));
            if one == other && !one.1.is_empty() {
                rest.push(record(self.records.remove(index)));
            }
        }
        for index in (1..self.settled.len()).rev() {
            if self.settled[index - 1].0.message.id == self.settled[index].0.message.id {
                rest.push(settle(self.settled.remove(index)));
            }
        }
    }

    /// Commits what the presumption holds of, and tells those who wait; those of whom it does not hold, or all where one cannot
    /// be stored.
    pub(super) async fn commit(self, store: &dyn Store) -> Vec<Job> {
        let (records, new_replies): (Vec<_>, Vec<_>) = self.records.into_iter().unzip();
        let (settled, asked): (Vec<_>, Vec<_>) = self.settled.into_iter().unzip();
        let presumed = Presumed { records, settled };
        if presumed.records.is_empty() && presumed.settled.is_empty() {
            return Vec::new();
        }
        let refused: HashSet<String> = match store.presume(&presumed).await {
            Ok(refused) => refused.into_iter().collect(),
            Err(error) if error.is_about_one() => presumed.ids(),
            Err(error) => {
                let error = HistoryError::from(error);
                let replies = new_replies.into_iter().chain(asked.into_iter().map(|asked| asked.reply));
                replies.for_each(|reply| drop(reply.send(Err(error.clone()))));
                return Vec::new();
            }
        };
        if !refused.is_empty() {
            metrics::counter!("switchboard_history_presumptions_failed_total").increment(refused.len() as u64);
        }
        let mut left = Vec::new();
        // A caller that is gone has lost its answer, not its write.
        for (new, reply) in presumed.records.into_iter().zip(new_replies) {
            if refused.contains(&new.message.id) {
                left.push(record((new, reply)));
            } else {
                drop(reply.send(Ok(Written::Recorded(Arc::new(new.message)))));
            }
        }
        for (update, asked) in presumed.settled.into_iter().zip(asked) {
            if refused.contains(&update.message.id) {
                left.push(settle((update, asked)));
            } else {
                drop(asked.reply.send(Ok(Written::Settled { message: Arc::new(update.message), fallback: None })));
            }
        }
        left
    }
}

fn request(new: &NewMessage) -> (&str, &str) {
    (&new.message.organization_id, &new.message.request_id)
}

fn record((new, reply): (NewMessage, Reply)) -> Job {
    Job { write: Write::Record(Box::new(new)), known: None, reply }
}

fn settle((update, Asked { settlement, at, reply }): (Update, Asked)) -> Job {
    Job { write: Write::Settle { message_id: update.message.id, settlement, at }, known: None, reply }
}
