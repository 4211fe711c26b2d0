//! Builds a status with its details (AIP-193): `ErrorInfo` always, the others where they help.

use std::collections::HashMap;
use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use super::Reason;

/// `google.rpc.ErrorInfo.domain` of every error of ours.
pub const DOMAIN: &str = "switchboard";

/// A refusal in the making; `Status::from(problem)`, or `problem.into()`, finishes it.
///
/// ```
/// use switchboard_runtime::error::{Problem, Reason, reason_of};
///
/// let status: tonic::Status = Problem::new(Reason::InvalidPhoneNumber, "the recipient is not a phone number")
///     .field("to", "has too few digits; write it like 010-1234-5678")
///     .into();
/// assert_eq!(status.code(), tonic::Code::InvalidArgument);
/// assert_eq!(reason_of(&status).as_deref(), Some("INVALID_PHONE_NUMBER"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a problem is nothing until it becomes a status"]
pub struct Problem {
    reason: Reason,
    message: String,
    fields: Vec<(String, String)>,
    metadata: HashMap<String, String>,
    retry_after: Option<Duration>,
    korean: Option<String>,
}

impl Problem {
    /// A problem with its one sentence for developers.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            fields: Vec::new(),
            metadata: HashMap::new(),
            retry_after: None,
            korean: None,
        }
    }

    /// Adds a field violation: the field's path in the request, and what is wrong with it and what to do.
    pub fn field(mut self, path: impl Into<String>, description: impl Into<String>) -> Self {
        self.fields.push((path.into(), description.into()));
        self
    }

    /// Adds many field violations.
    pub fn fields(mut self, violations: impl IntoIterator<Item = (String, String)>) -> Self {
        self.fields.extend(violations);
        self
    }

    /// Adds an entry for programs to the `ErrorInfo`. Never a secret.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Says that the same call may succeed after this long.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The sentence an operator reads, in Korean.
    pub fn localized_ko(mut self, sentence: impl Into<String>) -> Self {
        self.korean = Some(sentence.into());
        self
    }

    /// The reason it was made with.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(problem.reason.as_str(), DOMAIN, problem.metadata);
        for (path, description) in problem.fields {
            details.add_bad_request_violation(path, description);
        }
        if problem.retry_after.is_some() {
            details.set_retry_info(problem.retry_after);
        }
        if let Some(korean) = problem.korean {
            details.set_localized_message("ko", korean);
        }
        Self::with_error_details(problem.reason.code(), problem.message, details)
    }
}
