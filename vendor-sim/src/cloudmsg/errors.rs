//! CloudMsg's error vocabulary (interface document, "Errors").

use http::StatusCode;
use serde_json::json;

use crate::core::Answer;

/// Why CloudMsg does not do something.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(code: &str, reason: impl Into<String>) -> Self {
        Self { code: code.to_owned(), reason: reason.into() }
    }

    pub(super) fn into_answer(self) -> Answer {
        let body = error_body(&self.code, &self.reason);
        Answer { refusal: Some((self.code.clone(), self.reason)), ..Answer::json(status_of(&self.code), &body) }
    }
}

pub(super) fn error_body(code: &str, details: &str) -> serde_json::Value {
    json!({ "error": { "errorCode": code, "message": meaning(code), "details": details } })
}

/// The HTTP status that goes with a code; 400 for those that the document does not list.
pub(super) fn status_of(code: &str) -> StatusCode {
    match code {
        "200" | "210" => StatusCode::UNAUTHORIZED,
        "230" => StatusCode::FORBIDDEN,
        "600" => StatusCode::PAYMENT_REQUIRED,
        "300" => StatusCode::NOT_FOUND,
        "410" | "400" => StatusCode::TOO_MANY_REQUESTS,
        "500" => StatusCode::SERVICE_UNAVAILABLE,
        "510" => StatusCode::GATEWAY_TIMEOUT,
        "900" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn meaning(code: &str) -> &'static str {
    match code {
        "100" => "malformed request",
        "1001" => "invalid number",
        "1002" => "text too long",
        "1003" => "text cannot be encoded",
        "1004" => "sender not registered",
        "1005" => "no such template",
        "1006" => "content does not match the template",
        "1007" => "invalid button",
        "1008" => "advertisement rules",
        "2004" => "file expired",
        "2005" => "file too big",
        "200" => "authentication failed",
        "210" => "no permission",
        "230" => "address not allowed",
        "600" => "no balance",
        "300" => "no such service",
        "410" => "too many requests",
        "400" => "daily quota exceeded",
        "500" => "not accepted",
        "900" => "internal error",
        "510" => "timeout",
        _ => "error",
    }
}
