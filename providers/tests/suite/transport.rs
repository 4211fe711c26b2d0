//! Connections that fail, and what that proves: refused only where nothing can have been written.

use std::{sync::Arc, time::Duration};

use switchboard_providers::{
    MessageProvider,
    model::{FailureCode, Fault, LookUp, SendOutcome},
};
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::{
    capture::{Capture, http, read_request},
    fixtures::{RECIPIENT, credentials, image, jpeg, mms, now, sms, vendor},
};

fn account(base_url: &str) -> Arc<dyn MessageProvider> {
    let credentials = credentials(&[
        ("service_id", "svc-demo"),
        ("access_key", "AK-demo-0001"),
        ("secret_key", "SK-demo-secret"),
        ("callback_secret", "cb-secret"),
    ]);
    vendor("cloudmsg", base_url).open(&credentials).unwrap()
}

fn assert_never_sent(outcome: SendOutcome) {
    let SendOutcome::Refused(refusal) = outcome else { panic!("{outcome:?}: nothing was written") };
    assert_eq!((refusal.failure.code, refusal.fault), (FailureCode::ProviderUnavailable, Fault::Vendor));
    assert!(refusal.failure.retryable);
    assert_tells_nothing(&refusal.failure.detail);
}

fn assert_in_doubt(outcome: SendOutcome) {
    let SendOutcome::InDoubt(failure) = outcome else { panic!("{outcome:?}: it may have been sent") };
    assert_tells_nothing(&failure.detail);
}

/// No address, reference, number or key.
fn assert_tells_nothing(detail: &str) {
    for secret in ["http", "ref-1", "12345678", "svc-demo", "AK-demo", "SK-demo"] {
        assert!(!detail.contains(secret), "{detail}");
    }
}

#[tokio::test]
async fn a_refused_connection_proves_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let account = account(&format!("http://{address}"));
    assert_never_sent(account.send_sms(&sms("ref-1", RECIPIENT, "1588-1234"), now()).await);
    let images = vec![image(jpeg(8, 8, 1))];
    assert_never_sent(account.send_mms(&mms("ref-1", RECIPIENT, "1588-1234", images), now()).await);
    let failure = account.validate_credentials(now()).await.unwrap_err();
    assert_eq!((failure.code, failure.retryable), (FailureCode::ProviderUnavailable, true));
    let error = account.look_up(LookUp::Reference("ref-1"), now()).await.unwrap_err();
    assert_tells_nothing(&error.failure.detail);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_proves_that_nothing_was_sent() {
    let account = account("http://vendor.invalid");
    assert_never_sent(account.send_sms(&sms("ref-1", RECIPIENT, "1588-1234"), now()).await);
}

#[tokio::test]
async fn a_failed_tls_handshake_proves_that_nothing_was_sent() {
    let capture = Capture::start().await;
    let account = account(&capture.url().replace("http:", "https:"));
    let message = sms("ref-1", RECIPIENT, "1588-1234");
    let answer = async { capture.accept().await.write_all(b"this is not TLS at all\r\n").await };
    let (outcome, written) = tokio::join!(account.send_sms(&message, now()), answer);
    written.unwrap();
    assert_never_sent(outcome);
}

#[tokio::test]
async fn a_connection_that_closes_under_the_request_leaves_it_in_doubt() {
    let capture = Capture::start().await;
    let account = account(&capture.url());
    let message = sms("ref-1", RECIPIENT, "1588-1234");
    let close = async { drop(capture.accept().await) };
    assert_in_doubt(tokio::join!(account.send_sms(&message, now()), close).0);
    let read_and_close = async {
        let mut connection = capture.accept().await;
        read_request(&mut connection).await;
    };
    assert_in_doubt(tokio::join!(account.send_sms(&message, now()), read_and_close).0);
    assert!(!capture.is_called().await, "nothing is repeated by itself");
}

#[tokio::test]
async fn an_answer_that_is_not_http_or_breaks_off_or_never_ends_leaves_it_in_doubt() {
    let capture = Capture::start().await;
    let account = account(&capture.url());
    let message = sms("ref-1", RECIPIENT, "1588-1234");
    let huge = http(202, "content-type: application/json\r\n", &vec![b' '; 2 * 1024 * 1024]);
    for answer in [
        b"NOT HTTP\r\n\r\n".to_vec(),
        b"HTTP/1.1 202 -\r\ncontent-length: 1000\r\n\r\n{\"requestId\":".to_vec(),
        b"HTTP/1.1 202 -\r\ncontent-type: app".to_vec(),
        http(202, "", b"<html></html>"),
        http(200, "", b"{}"),
        huge,
    ] {
        let answer = async {
            let mut connection = capture.accept().await;
            read_request(&mut connection).await;
            // The caller may stop reading early.
            let _ = connection.write_all(&answer).await;
        };
        assert_in_doubt(tokio::join!(account.send_sms(&message, now()), answer).0);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (capture, elsewhere) = (Capture::start().await, Capture::start().await);
    let account = account(&capture.url());
    let message = sms("ref-1", RECIPIENT, "1588-1234");
    for status in [301, 302, 303, 307, 308] {
        let answers = [http(status, &format!("location: {}/\r\n", elsewhere.url()), b"")];
        assert_in_doubt(tokio::join!(account.send_sms(&message, now()), capture.answer(&answers)).0);
    }
    assert!(!elsewhere.is_called().await);
}

#[tokio::test]
async fn a_provider_waits_as_long_as_the_layers_around_it_let_it() {
    let capture = Capture::start().await;
    let account = account(&capture.url());
    let message = sms("ref-1", RECIPIENT, "1588-1234");
    let call = tokio::time::timeout(Duration::from_millis(100), account.send_sms(&message, now()));
    let (cut, _connection) = tokio::join!(call, capture.accept());
    assert!(cut.is_err());
}
