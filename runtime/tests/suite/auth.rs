//! The gate in front of a real server.

use std::sync::{Arc, Mutex};

use switchboard_runtime::Lifecycle;
use switchboard_runtime::auth::{Denial, DenialObserver};
use switchboard_runtime::error::{Reason, describe, reason_of};
use switchboard_runtime::http::Readiness;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::echo::{self, Echo, SAY, say};

#[derive(Default)]
struct Diary(Mutex<Vec<Denial>>);

impl DenialObserver for Diary {
    fn denied(&self, denial: Denial) {
        self.0.lock().unwrap().push(denial);
    }
}

async fn server() -> (Channel, std::net::SocketAddr, Arc<Diary>) {
    let diary = Arc::new(Diary::default());
    let gate = echo::auth().with_observer(diary.clone());
    let address = echo::serve(Echo::default(), gate, Readiness::new(), &Lifecycle::new()).await;
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    (channel, address, diary)
}

async fn refusal(channel: &Channel, method: &'static str, authorization: Option<&'static str>) -> Status {
    echo::call(channel.clone(), method, "hello", authorization).await.unwrap_err()
}

#[tokio::test]
async fn a_caller_with_the_role_is_known_to_the_service_with_its_address() {
    let (_, address, diary) = server().await;
    assert_eq!(say(address, "sender-token", "hello").await.unwrap(), "sender from 127.0.0.1");
    assert!(diary.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let (channel, _, _) = server().await;
    let answer = echo::call(channel, SAY, "hello", Some("bEaReR sender-token")).await;
    assert!(answer.is_ok());
}

#[tokio::test]
async fn a_call_without_a_token_is_told_how_to_send_one() {
    let (channel, _, _) = server().await;
    for nothing in [None, Some(""), Some("Bearer"), Some("Bearer  "), Some("Basic c2VuZGVy")] {
        let status = refusal(&channel, SAY, nothing).await;
        assert_eq!(status.code(), Code::Unauthenticated, "{nothing:?}");
        assert_eq!(reason_of(&status).as_deref(), Some("TOKEN_MISSING"), "{nothing:?}");
        assert!(status.message().contains("authorization: Bearer"));
    }
}

#[tokio::test]
async fn a_token_that_nobody_has_is_refused_without_being_repeated() {
    let (channel, _, _) = server().await;
    let status = refusal(&channel, SAY, Some("Bearer s3cr3t-guess")).await;
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(reason_of(&status).as_deref(), Some("TOKEN_INVALID"));
    assert!(!format!("{status:?}").contains("s3cr3t-guess"));
}

#[tokio::test]
async fn the_wrong_role_is_told_which_would_do() {
    let (channel, _, _) = server().await;
    let status = refusal(&channel, SAY, Some("Bearer viewer-token")).await;
    assert_eq!(status.code(), Code::PermissionDenied);
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("ROLE_REQUIRED", "switchboard"));
    assert_eq!(info.metadata["roles"], "SUPERADMIN,SENDER");
    assert!(describe(&status).contains("SUPERADMIN,SENDER"));
}

#[tokio::test]
async fn a_method_without_a_row_is_closed_to_everyone() {
    let (channel, _, _) = server().await;
    let status = refusal(&channel, "/test.v1.Echo/Shout", Some("Bearer sender-token")).await;
    assert_eq!(reason_of(&status).as_deref(), Some("ROLE_REQUIRED"));
    let anonymous = refusal(&channel, "/test.v1.Echo/Shout", None).await;
    assert_eq!(reason_of(&anonymous).as_deref(), Some("TOKEN_MISSING"));
}

#[tokio::test]
async fn every_refusal_is_observed_with_who_what_and_where() {
    let (channel, _, diary) = server().await;
    refusal(&channel, SAY, Some("Bearer viewer-token")).await;
    refusal(&channel, SAY, Some("Bearer guess")).await;
    refusal(&channel, SAY, None).await;
    let denials = diary.0.lock().unwrap();
    let reasons: Vec<_> = denials.iter().map(|denial| denial.reason).collect();
    assert_eq!(reasons, [Reason::RoleRequired, Reason::TokenInvalid, Reason::TokenMissing]);
    assert_eq!(&*denials[0].principal.as_ref().unwrap().name, "viewer");
    assert!(denials[1].principal.is_none());
    for denial in denials.iter() {
        assert_eq!(denial.method, SAY);
        assert!(denial.peer.unwrap().ip().is_loopback());
    }
}

#[tokio::test]
async fn authentication_comes_before_the_body_is_read() {
    let (channel, _, _) = server().await;
    // Larger than the decoder takes: reading it would be RESOURCE_EXHAUSTED or OUT_OF_RANGE.
    let huge = "x".repeat(8 << 20);
    let status = echo::call(channel, SAY, &huge, None).await.unwrap_err();
    assert_eq!(reason_of(&status).as_deref(), Some("TOKEN_MISSING"));
}
