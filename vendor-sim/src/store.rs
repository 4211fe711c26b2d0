//! The vendor's memory of messages: by id, by reference, by request.

use std::collections::{HashMap, VecDeque};

use crate::message::Message;

#[derive(Debug, Default)]
pub(crate) struct Store {
    messages: HashMap<String, Message>,
    order: VecDeque<String>,
    by_reference: HashMap<(String, String), Vec<String>>,
    by_request: HashMap<(String, String), Vec<String>>,
}

impl Store {
    /// Adds a message and forgets the oldest beyond `limit`.
    pub(crate) fn insert(&mut self, message: Message, limit: usize) {
        let id = message.message_id.clone();
        for (index, key) in [(&mut self.by_reference, &message.reference), (&mut self.by_request, &message.request_id)]
        {
            if let Some(key) = key {
                index.entry((message.account.clone(), key.clone())).or_default().push(id.clone());
            }
        }
        self.order.push_back(id.clone());
        self.messages.insert(id, message);
        while self.order.len() > limit {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(id) = self.order.pop_front() else {
            return;
        };
        let Some(message) = self.messages.remove(&id) else {
            return;
        };
        for (index, key) in [(&mut self.by_reference, message.reference), (&mut self.by_request, message.request_id)] {
            let Some(key) = key else { continue };
            let key = (message.account.clone(), key);
            if let Some(ids) = index.get_mut(&key) {
                ids.retain(|kept| *kept != id);
                if ids.is_empty() {
                    index.remove(&key);
                }
            }
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Message> {
        self.messages.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Message> {
        self.messages.get_mut(id)
    }

    pub(crate) fn by_reference(&self, account: &str, reference: &str) -> Vec<&Message> {
        self.listed(self.by_reference.get(&(account.to_owned(), reference.to_owned())))
    }

    pub(crate) fn by_request(&self, account: &str, request: &str) -> Vec<&Message> {
        self.listed(self.by_request.get(&(account.to_owned(), request.to_owned())))
    }

    fn listed(&self, ids: Option<&Vec<String>>) -> Vec<&Message> {
        ids.into_iter().flatten().filter_map(|id| self.messages.get(id)).collect()
    }

    /// All messages, oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Message> {
        self.order.iter().filter_map(|id| self.messages.get(id))
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
