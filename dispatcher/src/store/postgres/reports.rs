//! The usual reports in three round trips: read without locks, decided, and written by the statement that writes without
//! a look, each message on the condition that it still stands as it was read. The rest goes the long way.
//!
//! Two replicas that apply one event at the same time both find its key free. Whatever an event does to a message adds a
//! line to its timeline, so the second of them does not find the message as it was read, and the long way finds the key.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    load::{Places, event_keys, named},
    presume::{PATIENCE, Read, goes_the_long_way, silent, write},
    read::{self, Place},
    standing::{Kept, Standing},
    window::Window,
};
use crate::store::{
    Presumed, StatusOutcome, StoreError, Write, Written,
    ledger::{Effects, Ledger, Needs},
};

/// What became of each report; `None`: it is to go the long way.
pub(super) async fn commit(
    standing: &Standing,
    writes: &[Write],
    reconcile_after: Duration,
) -> Result<Vec<Option<Written>>, StoreError> {
    let all = || vec![None; writes.len()];
    let mut kept = match standing.take().await.map_err(StoreError::from) {
        Ok(kept) => kept,
        Err(error) if goes_the_long_way(&error) => return Ok(all()),
        Err(error) => return Err(error),
    };
    match tokio::time::timeout(PATIENCE, attempt(&mut kept, writes, reconcile_after)).await {
        Ok(Ok(written)) => {
            standing.keep(kept);
            Ok(written)
        }
        Ok(Err(error)) if goes_the_long_way(&error) => Ok(all()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(silent()),
    }
}

async fn attempt(
    kept: &mut Kept,
    writes: &[Write],
    reconcile_after: Duration,
) -> Result<Vec<Option<Written>>, StoreError> {
    let connection = &mut kept.connection;
    let needs = Needs::of(writes);
    let mut places: Vec<Place> = needs.message_ids.iter().map(|id| (id.clone(), Window::of(id))).collect();
    if !needs.provider_ids.is_empty() {
        places.extend(named(connection, &needs.provider_ids).await?);
    }
    let (mut ledger, mut listed) = (Ledger::new(reconcile_after), Places::new());
    for (id, known) in read::unlocked_of(connection, kept.statements.for_places(&places), places).await? {
        listed.insert(id, known.at);
        ledger.know_message(known.message);
    }
    event_keys(connection, writes, &mut ledger).await?;
    let written: Vec<Written> = writes.iter().map(|write| ledger.apply(write.clone())).collect();
    let (presumed, event_keys, mut left) = usual(ledger.into_effects());
    if !presumed.settled.is_empty() {
        left.extend(write(kept, false, &presumed, &Read { places: listed, event_keys }).await?);
    }
    Ok(written.into_iter().map(|written| stands(&written, &left).then_some(written)).collect())
}

/// Keys of events, each with its message and the time.
type EventKeys = Vec<(String, String, DateTime<Utc>)>;

/// What may be written without a look, and the messages of which that cannot be said.
fn usual(effects: Effects) -> (Presumed, EventKeys, HashSet<String>) {
    let (settled, unusual): (Vec<_>, Vec<_>) = effects.updates.into_iter().partition(|update| update.is_plain_report());
    let left: HashSet<String> = unusual.into_iter().map(|update| update.message.id).collect();
    let mut event_keys = effects.event_keys;
    event_keys.retain(|(_, message_id, _)| !message_id.is_empty() && !left.contains(message_id));
    (Presumed { records: Vec::new(), settled }, event_keys, left)
}

/// Whether what became of a report is what was stored: of a message that is not there nothing was.
fn stands(written: &Written, left: &HashSet<String>) -> bool {
    match written {
        Written::Reported { outcome: StatusOutcome::Foreign, .. } => true,
        Written::Reported { message_id, .. } => !message_id.is_empty() && !left.contains(message_id),
        _ => false,
    }
}
