//! Why a callback is not taken, and the one match from that to HTTP.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use switchboard_providers::WebhookError;

use crate::reporter::NotCommitted;

/// Why a callback is not taken. The sentences go to the vendor, so they say nothing about who is known here.
#[derive(Debug, thiserror::Error)]
pub(super) enum Rejection {
    #[error("there is no such vendor")]
    UnknownProvider,
    #[error("{0}")]
    Unverified(&'static str),
    #[error("the callback cannot be read: {0}")]
    Malformed(String),
    #[error("the body is larger than 1 MiB")]
    TooLarge,
    #[error("the body did not arrive in time")]
    BodyTooSlow,
    #[error("the body broke off")]
    BodyBroken,
    #[error("too many callbacks at once")]
    Overloaded,
    #[error("the gateway has not learnt yet who may sign")]
    NoSecretsYet,
    #[error("the results could not be stored: {0}")]
    NotCommitted(#[from] NotCommitted),
}

impl From<WebhookError> for Rejection {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Unverified(why) => Self::Unverified(why),
            WebhookError::Malformed(why) => Self::Malformed(why),
        }
    }
}

impl Rejection {
    /// For metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::UnknownProvider => "unknown_provider",
            Self::Unverified(_) => "unverified",
            Self::Malformed(_) => "malformed",
            Self::TooLarge => "too_large",
            Self::BodyTooSlow | Self::BodyBroken => "body_incomplete",
            Self::Overloaded => "overloaded",
            Self::NoSecretsYet => "not_ready",
            Self::NotCommitted(_) => "not_committed",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownProvider => StatusCode::NOT_FOUND,
            Self::Unverified(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) | Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded | Self::NoSecretsYet | Self::NotCommitted(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn into_response(self, retry_after: Duration) -> Response {
        let status = self.status();
        let sentence = match self {
            // What the dispatcher says is for our log.
            Self::NotCommitted(_) => "the results could not be stored; come again\n".to_owned(),
            other => format!("{other}\n"),
        };
        let mut response = (status, sentence).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = HeaderValue::from(retry_after.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
