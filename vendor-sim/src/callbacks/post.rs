//! One attempt: sign, post, write to the journal.

use std::sync::Arc;

use http::StatusCode;

use super::Event;
use crate::core::{Wire, locked};
use crate::journal::CallbackEntry;

/// An attempt that has not been made yet.
pub(super) fn entry_for(
    wire: &Arc<dyn Wire>,
    account: &str,
    events: &[Event],
    attempt: usize,
    body: &[u8],
) -> CallbackEntry {
    CallbackEntry {
        seq: 0,
        at: wire.core().clock.now_ms(),
        account: account.to_owned(),
        url: String::new(),
        event_ids: events.iter().map(|event| event.id.clone()).collect(),
        message_ids: events.iter().map(|event| event.message_id.clone()).collect(),
        attempt,
        status: None,
        error: None,
        body: String::from_utf8_lossy(body).into_owned(),
    }
}

/// How a callback is signed, apart from whose secret it is.
pub(super) struct Signing<'a> {
    pub(super) event_id: &'a str,
    pub(super) secret: Option<&'a str>,
    pub(super) skew_ms: i64,
}

/// Signs and posts; fills in URL, status and error of the entry.
pub(super) async fn post(
    wire: &Arc<dyn Wire>,
    entry: &mut CallbackEntry,
    signing: Signing<'_>,
    body: Vec<u8>,
) -> Option<StatusCode> {
    let t_ms = entry.at + wire.core().settings().callback_skew_ms + signing.skew_ms;
    let outgoing = match wire.sign(&entry.account, &body, signing.event_id, signing.secret, t_ms) {
        Ok(outgoing) => outgoing,
        Err(why) => {
            entry.error = Some(why);
            return None;
        }
    };
    entry.url.clone_from(&outgoing.url);
    let core = wire.core();
    let mut request = core.http.post(outgoing.url).timeout(wire.callback_timeout()).body(body);
    request = request.header(http::header::CONTENT_TYPE, "application/json");
    for (name, value) in outgoing.headers {
        request = request.header(name, value);
    }
    let answer = tokio::select! {
        answer = request.send() => answer,
        () = core.stop.cancelled() => {
            entry.error = Some("the simulator stopped".to_owned());
            return None;
        }
    };
    match answer {
        Ok(response) => {
            entry.status = Some(response.status().as_u16());
            let status = response.status();
            // Read to the end, so that the connection can be used again.
            if let Err(error) = response.bytes().await {
                entry.error = Some(error.without_url().to_string());
            }
            Some(status)
        }
        Err(error) => {
            entry.error = Some(error.without_url().to_string());
            None
        }
    }
}

/// Writes an attempt to the journal.
pub(super) fn record(wire: &Arc<dyn Wire>, entry: CallbackEntry) {
    let core = wire.core();
    let settings = core.settings();
    if settings.journal {
        locked(&core.journal).callback(entry, settings.journal_limit);
    }
}

/// Notes an event that is deliberately not sent.
pub(crate) fn record_lost(wire: &Arc<dyn Wire>, event: &Event) {
    let body = wire.pack(std::slice::from_ref(event));
    let mut entry = entry_for(wire, &event.account, std::slice::from_ref(event), 0, &body);
    entry.error = Some("not sent: the outcome says so".to_owned());
    record(wire, entry);
}
