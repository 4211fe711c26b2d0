//! Sending what is recorded already: the text in place of a failed Alimtalk, and what a vendor was proved not to have.

use std::sync::Arc;

use futures::future::BoxFuture;
use switchboard_runtime::trace;
use tokio::time::Instant;

use super::{Sends, execute::SenderOf, stopwatch::Stopwatch};
use crate::{history::HistoryError, message::Message, outbound::Admitted, resolver::Choice};

impl Sends {
    /// Sends a text that was recorded in the place of a failed message, on its own.
    pub fn follow_up(&self, fallback: Option<Box<Message>>) {
        let Some(message) = fallback else { return };
        let sends = self.clone();
        // Boxed: this is how a send comes to start another one.
        let work: BoxFuture<'static, ()> = Box::pin(async move {
            let (begun, message_id) = (trace::begin(), message.id.clone());
            sends.send_recorded(*message).await;
            begun.whole(&message_id, "send fallback", None, || vec![("message.id", message_id.clone())]);
        });
        self.lifecycle.spawn_detached("fallback", work);
    }

    /// Sends a recorded message through the account that it is recorded with. When that is not possible now it stays as
    /// it is, and reconciliation comes back to it.
    async fn send_recorded(&self, message: Message) {
        if let Some(place) = self.place(&message).await {
            self.send_through(place, message).await;
        }
    }

    /// Sends once more what its vendor was proved not to have, unless it has moved since it was claimed. It is booked as sent
    /// again only when there is a place for it with the vendor, and from then on goes to its end, whoever still waits: what is
    /// booked and not sent would be taken for sent twice.
    ///
    /// # Errors
    ///
    /// It could not be read or booked, and was not sent.
    pub async fn send_again(&self, claimed: Message) -> Result<(), HistoryError> {
        let Some(place) = self.place(&claimed).await else { return Ok(()) };
        // A claim brings no images, nor does the booking.
        let Some(whole) = self.history.message(&claimed.id).await? else { return Ok(()) };
        let sends = self.clone();
        let work = Box::pin(async move {
            let booked = sends.history.resend(&claimed.id, claimed.checks, sends.clock.now()).await?;
            if let Some(booked) = booked {
                sends.send_through(place, Message { content: whole.content, ..booked }).await;
            }
            Ok(())
        });
        self.lifecycle.spawn_detached("resend", work).await.unwrap_or(Ok(()))
    }

    /// A place for a recorded message with the account that it is recorded with.
    async fn place(&self, message: &Message) -> Option<(Choice, Admitted)> {
        let message_id = &message.id;
        let Some(account) = self.resolver.account(&message.route).await else {
            tracing::warn!(message_id, "a recorded message waits: its vendor account is not known now");
            return None;
        };
        let Ok(admitted) = account.lane.admit(None).await else {
            tracing::warn!(message_id, "a recorded message waits: its vendor account is busy");
            return None;
        };
        Some((Choice { config_revision: message.route.config_revision, account, backups: Vec::new() }, admitted))
    }

    async fn send_through(&self, (choice, admitted): (Choice, Admitted), message: Message) {
        let (retry_until, mut stopwatch) = (Instant::now() + self.retry_for, Stopwatch::start());
        // There is no other account to go to, which could have another sender.
        let sender = SenderOf::Caller;
        self.execute(Arc::new(message), choice, admitted, retry_until, sender, &mut stopwatch).await;
    }
}
