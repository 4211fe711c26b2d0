//! What both simulated vendors have in common, and the seam to what differs.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::callbacks::{Event, Outbox};
use crate::clock::Clock;
use crate::faults::Faults;
use crate::ids::Ids;
use crate::journal::{Journal, Operation};
use crate::message::Message;
use crate::outcome::{Outcome, Outcomes};
use crate::phone::subscriber;
use crate::settings::Settings;
use crate::store::Store;

/// Locks, also when a panic elsewhere has poisoned the lock: a simulator goes on.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// State of one vendor that has nothing to do with its wire format.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    settings: Mutex<Arc<Settings>>,
    pub(crate) journal: Mutex<Journal>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) outcomes: Mutex<Outcomes>,
    pub(crate) store: Mutex<Store>,
    pub(crate) outbox: Mutex<Outbox>,
    pub(crate) http: reqwest::Client,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Core {
    pub(crate) fn new(http: reqwest::Client, tracker: TaskTracker, stop: CancellationToken) -> Self {
        Self {
            clock: Clock::default(),
            ids: Ids::new(),
            settings: Mutex::default(),
            journal: Mutex::default(),
            faults: Mutex::default(),
            outcomes: Mutex::default(),
            store: Mutex::default(),
            outbox: Mutex::default(),
            http,
            tracker,
            stop,
        }
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&locked(&self.settings))
    }

    pub(crate) fn set_settings(&self, settings: Settings) -> Result<(), String> {
        settings.check()?;
        self.clock.set_offset_ms(settings.clock_offset_ms);
        *locked(&self.settings) = Arc::new(settings);
        Ok(())
    }

    /// Waits, or returns false because the simulator stops.
    pub(crate) async fn pause(&self, ms: u64) -> bool {
        if ms == 0 {
            return !self.stop.is_cancelled();
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(ms)) => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// Whether a look-up may find the message yet.
    pub(crate) fn is_visible(&self, message: &Message) -> bool {
        let blind = i64::try_from(self.settings().look_up_blind_ms).unwrap_or(i64::MAX);
        self.clock.now_ms().saturating_sub(message.accepted_at) >= blind
    }
}

/// A request, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: Method,
    /// Path and query exactly as sent.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A query parameter, percent-decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?')?.1;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| percent_decoded(value))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the body is announced as this media type.
    pub(crate) fn is_type(&self, media_type: &str) -> bool {
        let announced = self.header("content-type").unwrap_or_default();
        announced.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let pair = bytes.get(index + 1..index + 3).and_then(|pair| hex::decode(pair).ok());
        match (bytes[index], pair) {
            (b'%', Some(byte)) => {
                decoded.extend(byte);
                index += 3;
            }
            (b'+', _) => {
                decoded.push(b' ');
                index += 1;
            }
            (byte, _) => {
                decoded.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// How a scripted fault changes the processing of a send.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects {
    /// Wait this long before accepting.
    pub(crate) pause_ms: u64,
    /// Refuse recipients with this code.
    pub(crate) refuse: Option<(Vec<String>, String)>,
    /// What becomes of the messages.
    pub(crate) outcome: Option<Outcome>,
}

impl Effects {
    /// The code to refuse the recipient at `index` with.
    pub(crate) fn refusal_of(&self, index: usize, to: &str) -> Option<&str> {
        let (numbers, code) = self.refuse.as_ref()?;
        let hit = if numbers.is_empty() {
            index.is_multiple_of(2)
        } else {
            numbers.iter().any(|number| subscriber(number) == subscriber(to))
        };
        hit.then_some(code.as_str())
    }
}

/// The vendor's answer with what the journal wants to know about it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Vec<u8>,
    /// Code and reason when the vendor refused.
    pub(crate) refusal: Option<(String, String)>,
    pub(crate) accepted: Vec<String>,
    pub(crate) references: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self {
            status,
            content_type: Some("application/json"),
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
            refusal: None,
            accepted: Vec::new(),
            references: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { content_type: None, body: Vec::new(), ..Self::json(status, &Value::Null) }
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        if let Some(content_type) = self.content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// A signed callback, ready to go.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

pub(crate) type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What differs between the two vendors.
pub(crate) trait Wire: std::fmt::Debug + Send + Sync + 'static {
    fn core(&self) -> &Core;

    /// What ids of messages begin with.
    fn message_prefix(&self) -> &'static str;
    /// Largest request body in bytes.
    fn body_limit(&self) -> usize;
    fn operation(&self, received: &Received) -> Operation;
    /// Whose request it claims to be.
    fn account_of(&self, received: &Received) -> Option<String>;
    fn route(self: Arc<Self>, received: Received, effects: Effects) -> Answering;

    /// The vendor's own refusal with this code.
    fn refusal(&self, code: &str, reason: &str) -> Answer;
    fn unauthorized(&self) -> Answer;
    fn throttled(&self) -> Answer;
    fn not_accepted(&self) -> Answer;
    fn server_error(&self, status: StatusCode) -> Answer;
    fn too_large(&self) -> Answer;
    /// Whether `Retry-After` of a 429 is an HTTP-date.
    fn retry_after_is_date(&self) -> bool;

    /// One event of a callback about the message as it is now.
    fn event(&self, message: &Message, event_id: &str) -> Value;
    /// The body of a callback with these events.
    fn pack(&self, events: &[Event]) -> Vec<u8>;
    /// Signs a callback at `t_ms`; the error says why none can be sent.
    fn sign(
        &self,
        account: &str,
        body: &[u8],
        event_id: &str,
        secret: Option<&str>,
        t_ms: i64,
    ) -> Result<Outgoing, String>;
    fn batch_limit(&self) -> usize;
    /// Waits before the second, third, … attempt.
    fn retry_schedule(&self) -> &'static [Duration];
    fn callback_timeout(&self) -> Duration;
    /// The endpoint answered 410; whether the vendor takes that as "never again".
    fn endpoint_gone(&self, account: &str) -> bool;

    /// Creates or replaces an account from JSON.
    fn put_account(&self, account: Value) -> Result<(), String>;
    /// The account as JSON, secrets included: only for merging a change into it.
    fn account_with_secrets(&self, id: &str) -> Option<Value>;
    /// All accounts as JSON, without secrets.
    fn accounts(&self) -> Vec<Value>;
    /// Sets where callbacks go, and switches the endpoint on; false when there is no such account.
    fn set_callback_url(&self, account: &str, url: Option<&str>) -> bool;
    /// Forgets what look-ups and repeats rely on besides messages.
    fn forget(&self);
    /// Lets uploaded images expire.
    fn expire_files(&self);
}
