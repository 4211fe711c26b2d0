//! The traits that a vendor implements.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    credentials::{Credentials, CredentialsError, Form, Localized},
    model::{Alimtalk, CallOutcome, Channel, Failure, FailureCode, LookUp, LookUpError, Mms, Report, SendOutcome, Sms},
    webhook::WebhookFormat,
};

/// What a vendor is and can do. Static: it comes from the vendor's document.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// The code by which it is known everywhere, `[a-z0-9_-]+`.
    pub code: &'static str,
    /// Its name.
    pub name: Localized,
    /// The kinds of message it carries.
    pub channels: &'static [Channel],
    /// Its credentials form.
    pub form: Form,
    /// How a send in doubt is cleared up.
    pub recovery: Recovery,
    /// Whether it sends the text in place of a failed Alimtalk itself.
    pub sends_fallback: bool,
    /// Its feed of what has changed, if it has one: [`MessageProvider::results`].
    pub results_feed: Option<ResultsFeed>,
}

/// A vendor's feed of what has changed: many messages by one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultsFeed {
    /// How far it runs behind: what has changed since is not in it yet.
    pub behind: Duration,
    /// Longest span of time that one call may ask for.
    pub window: Duration,
}

/// How a send in doubt is cleared up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Look up by reference first; absent after `blind_for`, it was not accepted and may be sent again.
    LookUpFirst {
        /// How long after a send the vendor may not find it yet.
        blind_for: Duration,
    },
    /// Send again with the same reference: the vendor de-duplicates for `window`, after which it must be looked up.
    SendAgain {
        /// How long after a send the vendor may not find it yet.
        blind_for: Duration,
        /// How long the vendor remembers the reference.
        window: Duration,
    },
}

/// A vendor.
pub trait Vendor: Send + Sync {
    /// What it is and can do.
    fn descriptor(&self) -> &'static Descriptor;

    /// Opens an account. No I/O: that is what [`MessageProvider::validate_credentials`] is for.
    ///
    /// # Errors
    ///
    /// Every field that does not fit the form.
    fn open(&self, credentials: &Credentials) -> Result<Arc<dyn MessageProvider>, CredentialsError>;

    /// How its callbacks are verified and read.
    fn webhooks(&self) -> &dyn WebhookFormat;
}

/// One account with a vendor.
///
/// Nothing in here retries, limits or times out: those are layers around it. `at` is the time of the call, for
/// signatures. Every send carries the message's reference, which is our `message_id`.
#[async_trait]
pub trait MessageProvider: Send + Sync {
    /// Sends an SMS or LMS.
    async fn send_sms(&self, sms: &Sms, at: DateTime<Utc>) -> SendOutcome;

    /// Sends an MMS, uploading its images where the vendor wants that.
    async fn send_mms(&self, mms: &Mms, at: DateTime<Utc>) -> SendOutcome;

    /// Sends an Alimtalk.
    async fn send_alimtalk(&self, alimtalk: &Alimtalk, at: DateTime<Utc>) -> SendOutcome;

    /// Texts in one call, for a vendor that takes several at once.
    fn bulk(&self) -> Option<&dyn BulkTexts> {
        None
    }

    /// Asks the vendor whether the credentials are good. Never sends a message.
    ///
    /// # Errors
    ///
    /// Why they are not, or why that could not be found out: the failure's code tells the two apart.
    async fn validate_credentials(&self, at: DateTime<Utc>) -> Result<AccountCheck, Failure>;

    /// Asks the vendor what became of a message. An empty list: the vendor does not know it (yet).
    ///
    /// # Errors
    ///
    /// When the vendor could not be asked; that says nothing about the message.
    async fn look_up(&self, what: LookUp<'_>, at: DateTime<Utc>) -> Result<Vec<Report>, LookUpError>;

    /// Asks the vendor for a page of everything that has changed in a span of time, each message as it stands now. For
    /// vendors with a [`Descriptor::results_feed`]; the others have nothing to say here.
    ///
    /// # Errors
    ///
    /// When the vendor could not be asked; that says nothing about any message.
    async fn results(&self, span: ResultsSpan<'_>, at: DateTime<Utc>) -> Result<ResultsPage, LookUpError> {
        let _ = (span, at);
        let failure = Failure::new(FailureCode::Unknown, "", "this vendor has no feed of results", false);
        Err(LookUpError { failure, retry_after: None })
    }
}

/// Texts in one call, each with words and a reference of its own: [`MessageProvider::bulk`].
#[async_trait]
pub trait BulkTexts: Send + Sync {
    /// How many at most.
    fn most(&self) -> usize;

    /// Whether one call can carry both.
    fn can_share(&self, one: &Sms, other: &Sms) -> bool;

    /// Sends texts that can all share a call with the first: at least one, and no more than [`BulkTexts::most`].
    async fn send_texts(&self, texts: &[&Sms], at: DateTime<Utc>) -> CallOutcome;
}

/// What to ask a feed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultsSpan<'a> {
    /// Changed at or after, by the vendor's clock.
    pub from: DateTime<Utc>,
    /// Changed before or at; not longer after `from` than the feed's window.
    pub until: DateTime<Utc>,
    /// Where the page before ended; empty: the first page.
    pub cursor: &'a str,
}

/// A page of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultsPage {
    /// Messages of the account that have changed.
    pub reports: Vec<Report>,
    /// Items that could not be read: whoever is looked for may be among them.
    pub unreadable: usize,
    /// For the next page; empty when this was the last.
    pub next_cursor: String,
}

/// What a vendor says about an account whose credentials are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountCheck {
    /// The account as the vendor names it.
    pub account: String,
    /// Its registered sender numbers, as the vendor writes them.
    pub sender_numbers: Vec<String>,
}
