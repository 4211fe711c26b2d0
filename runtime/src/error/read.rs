//! Reads a status back: for clients, the command line and tests.

use std::error::Error as _;
use std::fmt::Write as _;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::DOMAIN;

/// The documented reason in a status of ours; `None` for one that a proxy or the transport made.
#[must_use]
pub fn reason_of(status: &Status) -> Option<String> {
    status.get_details_error_info().filter(|info| info.domain == DOMAIN).map(|info| info.reason)
}

/// A status in one line for a person: reason, sentence, field violations, when to try again.
#[must_use]
pub fn describe(status: &Status) -> String {
    let details = status.get_error_details();
    let reason = reason_of(status).unwrap_or_else(|| code_name(status.code()).to_owned());
    let mut line = format!("{reason}: {}", status.message());
    // A transport's own message ("transport error") says nothing; what caused it does.
    let mut cause = status.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            let _ = write!(line, ": {text}");
        }
        cause = error.source();
    }
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
    for violation in violations.unwrap_or_default() {
        let _ = write!(line, "; {}: {}", violation.field, violation.description);
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        let _ = write!(line, " (try again in {})", humantime::format_duration(delay));
    }
    line.replace(['\n', '\r'], " ")
}

/// The name of a code as the gRPC documentation writes it.
#[must_use]
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::{Problem, Reason};

    #[test]
    fn a_problem_reads_back_whole() {
        let status: Status = Problem::new(Reason::VersionConflict, "the routing was changed by somebody else")
            .metadata("current_version", "7")
            .localized_ko("다른 사용자가 먼저 변경했습니다. 최신 내용을 다시 불러오세요.")
            .into();
        assert_eq!(status.code(), Code::Aborted);
        assert_eq!(reason_of(&status).as_deref(), Some("VERSION_CONFLICT"));
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["current_version"], "7");
        assert_eq!(details.localized_message().unwrap().locale, "ko");
        assert!(details.retry_info().is_none());
    }

    #[test]
    fn a_description_is_one_line_with_every_violation_and_the_delay() {
        let status: Status = Problem::new(Reason::InvalidField, "the request is\nincomplete")
            .field("organization_id", "is missing")
            .fields([("to".to_owned(), "has letters".to_owned())])
            .retry_after(Duration::from_secs(2))
            .into();
        assert_eq!(
            describe(&status),
            "INVALID_FIELD: the request is incomplete; organization_id: is missing; to: has letters (try again in 2s)"
        );
    }

    #[test]
    fn a_status_that_is_not_ours_is_described_by_its_code_and_cause() {
        let refused = std::io::Error::other("connection refused");
        let status = Status::from_error(Box::new(refused));
        assert_eq!(reason_of(&status), None);
        assert!(describe(&status).contains("connection refused"), "{}", describe(&status));
        assert_eq!(describe(&Status::unavailable("proxy is away")), "UNAVAILABLE: proxy is away");
    }
}
