//! From our errors to statuses: one match each.

use switchboard_runtime::error::{Problem, Reason};
use tonic::Status;

use crate::{
    callbacks::NoRoom,
    history::HistoryError,
    prepare::{Invalid, Violation},
    resolver::{ResolveError, Unroutable},
    send::SendError,
};

/// A request that cannot be sent.
pub(super) fn invalid(invalid: Invalid) -> Status {
    let reason = match invalid.violation {
        Violation::Field => Reason::InvalidField,
        Violation::PhoneNumber => Reason::InvalidPhoneNumber,
        Violation::TextEmpty => Reason::TextEmpty,
        Violation::TextTooLong => Reason::TextTooLong,
        Violation::Unencodable => Reason::UnencodableText,
        Violation::Image => Reason::InvalidImage,
        Violation::Template => Reason::TemplateMismatch,
        Violation::Button => Reason::InvalidButton,
        Violation::AdRules => Reason::AdRules,
    };
    let faults = invalid.faults.into_iter().map(|fault| (fault.field, fault.description));
    Problem::new(reason, "the request cannot be sent as it is; see the field violations").fields(faults).into()
}

/// A message that was not made.
pub(super) fn send(error: SendError) -> Status {
    let sentence = error.to_string();
    match error {
        SendError::HeldBack(why) => invalid(why),
        SendError::Resolve(error) => resolve(&error),
        SendError::Unroutable(Unroutable::ChannelUnsupported { .. }) => {
            Problem::new(Reason::ChannelUnsupported, sentence).into()
        }
        SendError::Unroutable(Unroutable::NoAccount { .. }) => Problem::new(Reason::ConfigUnavailable, sentence).into(),
        SendError::NoSender { field, .. } => {
            Problem::new(Reason::NoSender, sentence.clone()).field(field, sentence).into()
        }
        SendError::Overloaded(overloaded) => {
            Problem::new(Reason::Overloaded, sentence).retry_after(overloaded.retry_after).into()
        }
        SendError::Deadline(_) => Problem::new(Reason::DeadlineExceeded, sentence).into(),
        SendError::RequestIdReused { message_id } => {
            let violation = "was used for other content: use a new one for a new message";
            Problem::new(Reason::RequestIdReused, sentence)
                .field("request_id", violation)
                .metadata("message_id", message_id)
                .into()
        }
        SendError::History(error) => history(&error),
        SendError::ShuttingDown => Problem::new(Reason::HistoryUnavailable, sentence).retry_after(SOON).into(),
    }
}

const SOON: std::time::Duration = std::time::Duration::from_secs(1);

fn resolve(error: &ResolveError) -> Status {
    let reason = match error {
        ResolveError::Unavailable { .. } | ResolveError::NoDefault(_) => Reason::ConfigUnavailable,
        ResolveError::UnknownOrganization(_) => Reason::OrganizationNotFound,
    };
    Problem::new(reason, error.to_string()).retry_after(SOON).into()
}

/// The history cannot be used.
pub(super) fn history(error: &HistoryError) -> Status {
    match error {
        HistoryError::Unavailable => {
            Problem::new(Reason::HistoryUnavailable, error.to_string()).retry_after(SOON).into()
        }
        HistoryError::Inconsistent => Problem::new(Reason::Internal, error.to_string()).into(),
    }
}

/// A vendor account has no room left in the quarantine.
pub(super) fn no_room(error: NoRoom) -> Status {
    Problem::new(Reason::Overloaded, error.to_string()).retry_after(NOT_SOON).into()
}

/// When it is worth trying again with what needs an operator first.
const NOT_SOON: std::time::Duration = std::time::Duration::from_secs(60);

/// No such message, or none that this caller may know of.
pub(super) fn message_not_found() -> Status {
    Problem::new(Reason::MessageNotFound, "there is no message of this id: check it").into()
}

/// A field that is wrong by itself.
pub(super) fn field(field: &str, remedy: &str) -> Status {
    Problem::new(Reason::InvalidField, format!("{field} {remedy}")).field(field, remedy).into()
}
