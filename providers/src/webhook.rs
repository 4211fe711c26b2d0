//! Callbacks: verified over the raw body first, read only then.

use chrono::{DateTime, Utc};
use http::HeaderMap;
use secrecy::SecretString;

use crate::model::Report;

/// Clock difference up to which a callback's timestamp is believed, both ways (both vendors' documents, Callback).
pub const TIMESTAMP_TOLERANCE: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// How a vendor's callbacks are verified and read.
pub trait WebhookFormat: Send + Sync {
    /// The account that the headers name. It only chooses the secret: nothing may be believed because of it.
    ///
    /// # Errors
    ///
    /// [`WebhookError::Unverified`] when the header is missing or unreadable.
    fn account<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, WebhookError>;

    /// Verifies the signature over the raw body, in constant time, and the timestamp. Returns the indices of the
    /// secrets that fit (more than one where organisations share a secret).
    ///
    /// # Errors
    ///
    /// [`WebhookError::Unverified`], saying why, when none fits or the timestamp is off.
    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[&SecretString],
        now: DateTime<Utc>,
    ) -> Result<Vec<usize>, WebhookError>;

    /// Reads a verified body. One malformed element does not reject the others.
    ///
    /// # Errors
    ///
    /// [`WebhookError::Malformed`] when the body as a whole cannot be read.
    fn parse(&self, body: &[u8]) -> Result<Vec<WebhookEvent>, WebhookError>;

    /// Reads one element of a verified body as [`WebhookFormat::parse`] reads it there: for one that could not be read
    /// when it came, and was set aside as [`WebhookEvent::Malformed`]. Its index is 0.
    fn parse_element(&self, raw: &str) -> WebhookEvent;
}

/// One element of a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookEvent {
    /// A report about a message.
    Report(Box<Report>),
    /// An event of a type that is not about a message: answered 200, counted.
    Ignored {
        /// The vendor's event type.
        kind: String,
    },
    /// An element that cannot be read: set aside, the rest goes on.
    Malformed {
        /// Its position, from 0.
        index: usize,
        /// What is wrong with it.
        why: String,
        /// The element as it came.
        raw: String,
    },
}

/// Why a callback was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No, wrong or outdated signature: answered 401.
    #[error("the callback is not verified: {0}")]
    Unverified(&'static str),
    /// Not readable: answered 400.
    #[error("the callback cannot be read: {0}")]
    Malformed(String),
}
