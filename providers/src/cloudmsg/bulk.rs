//! Texts in one call: up to a hundred recipients, each with a text of its own (interface document, Send).

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::StatusCode;

use super::{
    client::{Account, UNREADABLE, judge},
    wire::{RecipientAnswer, SendAnswer, SendRequest},
};
use crate::{
    http::Answer,
    model::{CallOutcome, Purpose, SendOutcome, Sms},
    vendor::BulkTexts,
};

/// Recipients of one call at most (interface document, Send).
const MOST_RECIPIENTS: usize = 100;

#[async_trait]
impl BulkTexts for Account {
    fn most(&self) -> usize {
        MOST_RECIPIENTS
    }

    /// A call says all but recipient and text once.
    fn can_share(&self, one: &Sms, other: &Sms) -> bool {
        let advertisement = |sms: &Sms| matches!(sms.purpose, Purpose::Advertisement(_));
        one.kind == other.kind
            && one.sender == other.sender
            && one.subject == other.subject
            && advertisement(one) == advertisement(other)
    }

    async fn send_texts(&self, texts: &[&Sms], at: DateTime<Utc>) -> CallOutcome {
        match self.post(&SendRequest::texts(texts), at).await {
            Ok(answer) if answer.status == StatusCode::ACCEPTED => {
                let mut receipts = Receipts::of(&answer);
                CallOutcome::Each(texts.iter().map(|sms| receipts.take(&sms.reference)).collect())
            }
            Ok(answer) => CallOutcome::All(judge(&answer, at).into_outcome()),
            Err(lost) => CallOutcome::All(lost.into()),
        }
    }
}

/// What a 202 says about its recipients, by our references.
struct Receipts {
    request_time: Option<i64>,
    retry_after: Option<Duration>,
    /// `None`: named more than once.
    by_reference: HashMap<String, Option<RecipientAnswer>>,
}

impl Receipts {
    fn of(answer: &Answer) -> Self {
        let SendAnswer { request_time, messages } = answer.json().unwrap_or_default();
        let mut by_reference = HashMap::with_capacity(messages.len());
        for mut recipient in messages {
            if let Some(reference) = recipient.client_ref.take() {
                by_reference.entry(reference).and_modify(|known| *known = None).or_insert(Some(recipient));
            }
        }
        Self { request_time, retry_after: answer.retry_after, by_reference }
    }

    /// What it says about one; of whom it says nothing, or more than one thing, nothing is proved.
    fn take(&mut self, reference: &str) -> SendOutcome {
        match self.by_reference.remove(reference).flatten() {
            Some(recipient) => recipient.outcome(self.request_time, self.retry_after),
            None => UNREADABLE.found().into_outcome(),
        }
    }
}
