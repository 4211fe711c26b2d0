//! Messages that this process has just recorded, and whose sends have not come to anything yet.
//!
//! The process that records a message is nearly always the one that learns what the send came to, some milliseconds
//! later, and in between nearly never has anything happened to it. So the engine presumes that, lets the ledger decide,
//! and writes on the condition that the row still stands as it was known; only if it does not, the row is read. What is
//! remembered here therefore saves a read and can never do harm, however old it is.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::listing::Listed;
use crate::message::Content;

/// Messages in one generation. Two are kept: the younger takes, the older is dropped when the younger is full.
const GENERATION: usize = 4096;

#[derive(Default)]
pub(super) struct Recent {
    generations: Mutex<[HashMap<String, Listed>; 2]>,
}

impl Recent {
    /// Remembers messages as they are stored now. An MMS is not: its images are large.
    pub(super) fn remember(&self, messages: impl Iterator<Item = Listed>) {
        let mut generations = self.lock();
        for listed in messages {
            let message = &listed.message;
            if matches!(message.content, Content::Mms(_)) || message.state.is_final() {
                continue;
            }
            if generations[0].len() >= GENERATION {
                let full = mem::take(&mut generations[0]);
                generations[1] = full;
            }
            generations[0].insert(message.id.clone(), listed);
        }
    }

    /// Takes messages out: each is presumed once.
    pub(super) fn take<'a>(&self, ids: impl Iterator<Item = &'a String>) -> Vec<Listed> {
        let mut generations = self.lock();
        let [young, old] = &mut *generations;
        ids.filter_map(|id| young.remove(id).or_else(|| old.remove(id))).collect()
    }

    /// Corrects what is remembered about a message that has changed, if anything is.
    pub(super) fn correct(&self, listed: Listed) {
        let mut generations = self.lock();
        let [young, old] = &mut *generations;
        if let Some(known) = young.get_mut(&listed.message.id).or_else(|| old.get_mut(&listed.message.id)) {
            *known = listed;
        }
    }

    fn lock(&self) -> MutexGuard<'_, [HashMap<String, Listed>; 2]> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
