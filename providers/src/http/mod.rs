//! HTTP as every vendor needs it: one pooled client per vendor, and an honest account of what a lost call proves.
//!
//! There is deliberately no retry, no redirect and no proxy in here: each could deliver a message twice, or a key to
//! somebody else. The one repetition that hyper does by itself is of a request that a closed pooled connection never
//! took, which no vendor can have seen. Overall timeouts belong to the layers around a provider.

mod pool;

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{
    HeaderMap, Request, StatusCode,
    header::{ACCEPT, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use http_body_util::BodyExt as _;
use reqwest::{Body, Client, Method, RequestBuilder, Url};
use serde::de::DeserializeOwned;

use self::pool::Pool;
use crate::{
    model::{Failure, FailureCode, Fault, LookUpError, Refusal, SendOutcome},
    registry::VendorSettings,
};

/// Largest answer that is read, in bytes. The largest documented one, a page of look-ups, is far below.
pub(crate) const MAX_ANSWER: usize = 1024 * 1024;
/// Longest wait that a vendor can ask for; more is taken as this.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Who we say we are.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("switchboard/", env!("CARGO_PKG_VERSION")));

/// Why a vendor's client could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ClientError(String);

/// One vendor's connections and address.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    /// Writes requests, and carries none.
    writer: Client,
    pool: Pool,
    base: Url,
}

/// A vendor's answer, read whole. Has no `Debug`: look-ups are answered with phone numbers.
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// `Retry-After`, counted from the time of the call.
    pub(crate) retry_after: Option<Duration>,
    /// The body; `None`: it broke off, or was larger than [`MAX_ANSWER`].
    pub(crate) body: Option<Vec<u8>>,
}

/// A call without an answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The request is none: a value does not fit into a header, say.
    Unwritable(Failure),
    /// There was no connection, so nothing of the request was written.
    NotSent(Failure),
    /// The request may have been written, in part or whole.
    Unanswered(Failure),
}

impl Http {
    /// Prepares the connections to a vendor; opens none.
    pub(crate) fn new(settings: &VendorSettings) -> Result<Self, ClientError> {
        let base = Url::parse(&settings.base_url)
            .map_err(|error| ClientError(format!("{:?} is not an address: {error}", settings.base_url)))?;
        let pool = Pool::new(&base, settings.connect_timeout)?;
        // An error means that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let writer = Client::builder().no_proxy().tls_certs_only([]).build();
        let writer = writer.map_err(|error| ClientError(error.to_string()))?;
        Ok(Self { writer, pool, base })
    }

    /// The address of a path below the vendor's base address; each segment is encoded.
    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Begins a request.
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.writer.request(method, url)
    }

    /// Makes a call at the time `at`.
    pub(crate) async fn call(&self, request: RequestBuilder, at: DateTime<Utc>) -> Result<Answer, Lost> {
        let mut request = request.build().and_then(Request::<Body>::try_from).map_err(Lost::unwritable)?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("*/*"));
        request.headers_mut().insert(USER_AGENT, AGENT);
        let response = self.pool.call(request).await?;
        let status = response.status();
        let retry_after = retry_after(response.headers(), at);
        let mut chunks = response.into_body();
        let mut body = Vec::new();
        while let Some(frame) = chunks.frame().await {
            // What is no data are trailers, which say nothing.
            match frame.map(|frame| frame.into_data().unwrap_or_default()) {
                Ok(chunk) if body.len() + chunk.len() <= MAX_ANSWER => body.extend_from_slice(&chunk),
                _ => return Ok(Answer { status, retry_after, body: None }),
            }
        }
        Ok(Answer { status, retry_after, body: Some(body) })
    }
}

impl Answer {
    /// The body as JSON; `None` when it is not that JSON, or not whole.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body.as_deref()?).ok()
    }

    /// Whether the answer came whole and says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.body.as_deref().is_some_and(|body| body.trim_ascii().is_empty())
    }
}

impl Lost {
    /// Without the address, whose query holds our reference.
    fn unwritable(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let why = format!("the request to the vendor could not be written: {}", root_cause(&error));
        Self::Unwritable(Failure::new(FailureCode::Unknown, "", why, false))
    }

    /// Why, for calls that change nothing and may be repeated at will.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Unwritable(failure) | Self::NotSent(failure) | Self::Unanswered(failure) => failure,
        }
    }

    /// For a step before the send: whatever became of the step, no message exists.
    pub(crate) fn into_refusal(self) -> Refusal {
        let fault = if matches!(self, Self::Unwritable(_)) { Fault::Message } else { Fault::Vendor };
        Refusal { failure: self.into_failure(), fault, retry_after: None }
    }

    /// For a look-up.
    pub(crate) fn into_look_up_error(self) -> LookUpError {
        LookUpError { failure: self.into_failure(), retry_after: None }
    }
}

impl From<Lost> for SendOutcome {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unanswered(failure) => Self::InDoubt(Failure { retryable: false, ..failure }),
            lost => Self::Refused(lost.into_refusal()),
        }
    }
}

/// The innermost cause, which says what happened.
fn root_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}

/// `Retry-After` in either of its forms (RFC 9110, 10.2.3), counted from `at`. A date that is past means now.
fn retry_after(headers: &HeaderMap, at: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        value.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        let until = DateTime::<Utc>::from(httpdate::parse_http_date(value).ok()?);
        (until - at).to_std().unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn wait(value: &'static str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
        retry_after(&headers, Utc.with_ymd_and_hms(2023, 11, 14, 22, 13, 20).unwrap())
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait(" 0 "), Some(Duration::ZERO));
        assert_eq!(wait("Tue, 14 Nov 2023 22:13:50 GMT"), Some(Duration::from_secs(30)));
    }

    #[test]
    fn retry_after_in_the_past_means_now_and_far_ahead_means_a_day() {
        assert_eq!(wait("Tue, 14 Nov 2023 22:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999999999999999999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(wait("Fri, 31 Dec 9999 23:59:59 GMT"), Some(MAX_RETRY_AFTER));
    }

    #[test]
    fn retry_after_that_cannot_be_read_is_no_wait() {
        for value in ["", "soon", "-1", "1.5", "2023-11-14T22:13:20Z"] {
            assert_eq!(wait(value), None, "{value}");
        }
    }

    #[test]
    fn a_path_is_encoded_and_goes_below_the_base_address() {
        let http = |base_url: &str| {
            Http::new(&VendorSettings { base_url: base_url.to_owned(), ..VendorSettings::default() }).unwrap()
        };
        assert_eq!(http("http://vendor.test").url(&["v1", "a/b?c"]).as_str(), "http://vendor.test/v1/a%2Fb%3Fc");
        assert_eq!(http("http://vendor.test/staging").url(&["v1"]).as_str(), "http://vendor.test/staging/v1");
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        let settings = VendorSettings { base_url: "vendor".to_owned(), ..VendorSettings::default() };
        assert!(Http::new(&settings).unwrap_err().to_string().contains("\"vendor\""));
    }
}
