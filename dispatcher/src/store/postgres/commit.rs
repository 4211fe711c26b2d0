//! One transaction for many writes: load what the ledger needs, let it decide, store what it decided; again, if replicas
//! got in each other's way.

use std::{io, mem, time::Duration};

use sqlx::{Connection as _, PgConnection, PgPool};

use super::{
    listing::{Listed, place},
    load::{Places, load},
    recent::Recent,
    write::store,
};
use crate::store::{
    StoreError, Write, Written,
    ledger::{Effects, Ledger, Needs},
};

/// How often a batch is tried.
const MOST_ATTEMPTS: u32 = 8;
/// How long one attempt may take: a server that has fallen silent is told from a slow one.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn commit(
    pool: &PgPool,
    recent: &Recent,
    writes: Vec<Write>,
    reconcile_after: Duration,
) -> Result<Vec<Written>, StoreError> {
    let needs = Needs::of(&writes);
    let mut presumed = presume(recent, &writes, &needs);
    let batch = Batch { writes: &writes, needs: &needs, reconcile_after };
    let mut attempt = 1;
    loop {
        let mut connection = pool.acquire().await?;
        let tried = tokio::time::timeout(PATIENCE, batch.attempt(&mut connection, mem::take(&mut presumed))).await;
        match tried {
            Ok(Ok(Done { written, mut effects, places })) => {
                mem::take(&mut effects.conflicts).count();
                learn(recent, effects, &places);
                return Ok(written);
            }
            Ok(Err(Failed::Presumed)) => {
                metrics::counter!("switchboard_history_presumptions_failed_total").increment(1);
            }
            Ok(Err(Failed::Before(error))) if attempt < MOST_ATTEMPTS && may_pass(&error) => {
                tracing::debug!(%error, attempt, "a batch of the history is tried again");
                metrics::counter!("switchboard_history_retries_total").increment(1);
            }
            Ok(Err(Failed::Before(error) | Failed::Committing(error))) => return Err(error),
            Err(_) => {
                connection.close_on_drop();
                return Err(StoreError::Unavailable(io::Error::from(io::ErrorKind::TimedOut).into()));
            }
        }
        attempt += 1;
    }
}

/// What is known of the messages that these writes settle, if that is all that they are about. Beside other writes, whose
/// messages are locked first, they are locked and read too: there is only one order of locks.
fn presume(recent: &Recent, writes: &[Write], needs: &Needs) -> Vec<Listed> {
    let known = recent.take(needs.message_ids.iter());
    let only_sends = writes.iter().all(|write| matches!(write, Write::Record(_) | Write::Settle { .. }));
    if only_sends && known.len() == needs.message_ids.len() { known } else { Vec::new() }
}

/// Remembers how messages stand now.
fn learn(recent: &Recent, effects: Effects, places: &Places) {
    recent.remember(effects.inserts.into_iter().map(|message| Listed { at: message.due_time, message }));
    for update in effects.updates {
        let before = places.get(&update.message.id).copied().flatten();
        recent.correct(Listed { at: place(before, update.message.due_time), message: update.message });
    }
}

/// What a transaction came to.
struct Done {
    written: Vec<Written>,
    effects: Effects,
    places: Places,
}

/// How far a transaction had come.
enum Failed {
    /// A presumption did not hold. Nothing is committed.
    Presumed,
    /// Nothing is committed.
    Before(StoreError),
    /// Nobody knows: it must not be tried again.
    Committing(StoreError),
}

impl<E: Into<StoreError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Before(error.into())
    }
}

struct Batch<'a> {
    writes: &'a [Write],
    needs: &'a Needs,
    reconcile_after: Duration,
}

impl Batch<'_> {
    async fn attempt(&self, connection: &mut PgConnection, presumed: Vec<Listed>) -> Result<Done, Failed> {
        let mut ledger = Ledger::new(self.reconcile_after);
        let on_condition = !presumed.is_empty();
        let mut transaction = connection.begin().await?;
        let places = load(&mut transaction, self.writes, self.needs, presumed, &mut ledger).await?;
        let written = self.writes.iter().map(|write| ledger.apply(write.clone())).collect();
        let effects = ledger.into_effects();
        if !store(&mut transaction, &effects, &places, on_condition).await? {
            transaction.rollback().await?;
            return Err(if on_condition { Failed::Presumed } else { Failed::Before(vanished(&effects)) });
        }
        transaction.commit().await.map_err(|error| Failed::Committing(error.into()))?;
        Ok(Done { written, effects, places })
    }
}

/// A row that was locked and is gone nevertheless.
fn vanished(effects: &Effects) -> StoreError {
    let message_id = effects.updates.first().map(|update| update.message.id.clone()).unwrap_or_default();
    StoreError::Inconsistent { message_id, why: "it, or another of its batch, is not where it was read".to_owned() }
}

/// Whether the same may succeed at once: a replica was in the way, or the connection was a dead one from the pool.
fn may_pass(error: &StoreError) -> bool {
    // serialization_failure, deadlock_detected, admin_shutdown, crash_shutdown
    const PASSING: [&str; 4] = ["40001", "40P01", "57P01", "57P02"];
    match error {
        StoreError::Unavailable(sqlx::Error::Io(_)) => true,
        StoreError::Unavailable(sqlx::Error::Database(error)) => {
            error.code().is_some_and(|code| PASSING.contains(&code.as_ref()))
        }
        _ => false,
    }
}
