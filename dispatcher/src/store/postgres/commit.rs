//! One transaction for many writes: load what the ledger needs, let it decide, store what it decided; again, if replicas
//! got in each other's way.

use std::{io, mem, time::Duration};

use sqlx::{Connection as _, PgConnection, PgPool};

use super::{load::load, write::store};
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
    writes: Vec<Write>,
    reconcile_after: Duration,
) -> Result<Vec<Written>, StoreError> {
    let needs = Needs::of(&writes);
    let batch = Batch { writes: &writes, needs: &needs, reconcile_after };
    let mut attempt = 1;
    loop {
        let mut connection = pool.acquire().await?;
        let tried = tokio::time::timeout(PATIENCE, batch.attempt(&mut connection)).await;
        match tried {
            Ok(Ok(written)) => return Ok(written),
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

/// How far a transaction had come.
enum Failed {
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
    async fn attempt(&self, connection: &mut PgConnection) -> Result<Vec<Written>, Failed> {
        let mut ledger = Ledger::new(self.reconcile_after);
        let mut transaction = connection.begin().await?;
        let places = load(&mut transaction, self.writes, self.needs, &mut ledger).await?;
        let written = self.writes.iter().map(|write| ledger.apply(write.clone())).collect();
        let mut effects = ledger.into_effects();
        let conflicts = mem::take(&mut effects.conflicts);
        if !store(&mut transaction, &effects, &places).await? {
            transaction.rollback().await?;
            return Err(Failed::Before(vanished(&effects)));
        }
        transaction.commit().await.map_err(|error| Failed::Committing(error.into()))?;
        conflicts.count();
        Ok(written)
    }
}

/// A row that was locked and is gone nevertheless.
fn vanished(effects: &Effects) -> StoreError {
    let message_id = effects.updates.first().map(|update| update.message.id.clone()).unwrap_or_default();
    StoreError::Inconsistent { message_id, why: "it, or another of its batch, is not where it was read".to_owned() }
}

/// Whether the same may succeed at once: a replica was in the way, or the connection was a dead one from the pool.
pub(super) fn may_pass(error: &StoreError) -> bool {
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
