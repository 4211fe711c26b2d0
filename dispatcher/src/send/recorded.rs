//! Sending what is recorded already: the text in place of a failed Alimtalk, and what a vendor was proved not to have.

use std::sync::Arc;

use futures::future::BoxFuture;
use switchboard_runtime::trace;
use tokio::time::Instant;

use super::{Sends, stopwatch::Stopwatch};
use crate::{message::Message, resolver::Choice};

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
    pub async fn send_recorded(&self, message: Message) {
        let message_id = message.id.clone();
        let Some(account) = self.resolver.account(&message.route).await else {
            tracing::warn!(message_id, "a recorded message waits: its vendor account is not known now");
            return;
        };
        let retry_until = Instant::now() + self.retry_for;
        let Ok(admitted) = account.lane.admit(None).await else {
            tracing::warn!(message_id, "a recorded message waits: its vendor account is busy");
            return;
        };
        let config_revision = message.route.config_revision;
        let choice = Choice { config_revision, account: Arc::clone(&account), backups: Vec::new() };
        self.execute(Arc::new(message), choice, admitted, retry_until, &mut Stopwatch::start()).await;
    }
}
