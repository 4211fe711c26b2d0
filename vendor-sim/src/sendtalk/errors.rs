//! SendTalk's verdicts (interface document, "Send"): HTTP 200 with a negative code, real HTTP errors for a few.

use http::StatusCode;
use serde_json::{Value, json};

use crate::core::Answer;

/// Why SendTalk does not do something.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: i32,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(code: i32, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    pub(super) fn into_answer(self) -> Answer {
        let status = match self.code {
            -1001 => StatusCode::UNAUTHORIZED,
            -1002 => StatusCode::FORBIDDEN,
            -1429 => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::OK,
        };
        self.into_answer_with(status)
    }

    pub(super) fn into_answer_with(self, status: StatusCode) -> Answer {
        let body = verdict(self.code, &self.reason);
        Answer { refusal: Some((self.code.to_string(), self.reason)), ..Answer::json(status, &body) }
    }
}

fn verdict(code: i32, message: &str) -> Value {
    json!({ "result": { "ok": false, "code": code, "message": message }, "data": null })
}

/// The answer when all is well.
pub(super) fn success(data: &Value) -> Answer {
    let body = json!({ "result": { "ok": true, "code": 0, "message": "SUCCESS" }, "data": data });
    Answer::json(StatusCode::OK, &body)
}
