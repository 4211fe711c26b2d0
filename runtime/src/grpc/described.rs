//! Refusals that no code of ours has made, given the details that all others have.

use http::{HeaderMap, Response};
use tonic::{Code, Status, body::Body};

use crate::error::{Problem, Reason};

const STATUS: &str = "grpc-status";
const DETAILS: &str = "grpc-status-details-bin";
/// How prost begins to say so.
const UNDECODABLE: &str = "failed to decode Protobuf message";

/// A request that could not be read is refused before any service sees it: too large, or not the message of the contract.
/// Both are mistakes of whoever sent it.
pub(super) fn described(response: Response<Body>) -> Response<Body> {
    match undescribed(response.headers()) {
        None => response,
        Some(problem) => Status::from(problem).into_http(),
    }
}

fn undescribed(headers: &HeaderMap) -> Option<Problem> {
    if !headers.contains_key(STATUS) || headers.contains_key(DETAILS) {
        return None;
    }
    let status = Status::from_header_map(headers)?;
    let remedy = match status.code() {
        Code::OutOfRange => {
            "is larger than this service takes: make it smaller, such as by smaller images or fewer entries"
        }
        Code::Internal if status.message().starts_with(UNDECODABLE) => {
            "is not the message of the contract: make the client from the .proto files of this version"
        }
        _ => return None,
    };
    let sentence = format!("the request cannot be read: {}", status.message());
    Some(Problem::new(Reason::InvalidField, sentence).field("request", remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::reason_of;

    fn after(status: Status) -> Option<Status> {
        Status::from_header_map(described(status.into_http()).headers())
    }

    #[test]
    fn what_could_not_be_read_is_the_callers_mistake() {
        let undecodable = <() as prost::Message>::decode(&[0xff_u8][..]).unwrap_err();
        for status in [Status::out_of_range("too large"), Status::internal(undecodable.to_string())] {
            let refused = after(status).unwrap();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert_eq!(reason_of(&refused).as_deref(), Some("INVALID_FIELD"));
        }
    }

    #[test]
    fn whatever_else_is_answered_stays_as_it_is() {
        let ours = Status::from(Problem::new(Reason::Internal, "a stored message cannot be read"));
        assert_eq!(after(ours).unwrap().code(), Code::Internal);
        assert_eq!(after(Status::cancelled("Timeout expired")).unwrap().code(), Code::Cancelled);
        assert!(undescribed(&HeaderMap::new()).is_none());
    }
}
