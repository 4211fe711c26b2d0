//! What a server does not let one caller take from the others.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use switchboard_runtime::Lifecycle;
use switchboard_runtime::accept::Door;
use switchboard_runtime::error::describe;
use switchboard_runtime::grpc::GrpcServer;
use switchboard_runtime::http::{self, Readiness};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;
use tonic::service::Routes;
use tonic::transport::Endpoint;

use crate::echo::{self, Echo, SAY};

const BOUND: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

/// An HTTP server whose clients have a moment to speak up, and room for so many of them.
async fn http_server(connections: usize, lifecycle: &Lifecycle) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door::new("test", listener, None).with_limits(connections, SHORT);
    let router = Router::new().route("/", get(|| async { "hello" }));
    let serving = http::serve(door, router, lifecycle.draining());
    lifecycle.spawn("server", async move {
        serving.await;
        Ok(())
    });
    address
}

/// Sends this and reads until the server closes the connection.
async fn until_closed(address: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is reset is closed as well.
    let _ = tokio::time::timeout(BOUND, socket.read_to_end(&mut answer))
        .await
        .unwrap_or_else(|_| panic!("the connection stays open"));
    String::from_utf8_lossy(&answer).into_owned()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn who_says_nothing_is_sent_away() {
    let address = http_server(8, &Lifecycle::new()).await;
    for beginning in [&b""[..], b"G", b"PRI * HTTP/2.0\r\n"] {
        assert_eq!(until_closed(address, beginning).await, "", "{beginning:?}");
    }
    assert!(until_closed(address, GET).await.ends_with("hello"));
}

#[tokio::test]
async fn a_full_server_takes_the_next_one_when_a_place_comes_free() {
    let address = http_server(1, &Lifecycle::new()).await;
    let _silent = TcpStream::connect(address).await.unwrap();
    // Served once the silent one has been sent away.
    assert!(until_closed(address, GET).await.ends_with("hello"));
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let address = http_server(8, &Lifecycle::new()).await;
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    assert!(!until_closed(address, large.as_bytes()).await.contains("hello"));
    let many: String = (0..100).map(|index| format!("x-{index}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n");
    assert!(until_closed(address, many.as_bytes()).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn a_request_under_way_is_answered_while_the_server_drains() {
    let lifecycle = Lifecycle::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (arrived, release) =
        (std::sync::Arc::new(tokio::sync::Notify::new()), std::sync::Arc::new(tokio::sync::Notify::new()));
    let handler = {
        let (arrived, release) = (arrived.clone(), release.clone());
        move || async move {
            arrived.notify_one();
            release.notified().await;
            "done"
        }
    };
    let router = Router::new().route("/", get(handler));
    let serving = http::serve(Door::new("test", listener, None), router, lifecycle.draining());
    lifecycle.spawn("server", async move {
        serving.await;
        Ok(())
    });
    let request = until_closed(address, GET);
    let shutdown = async {
        arrived.notified().await;
        lifecycle.begin_drain();
        release.notify_one();
        lifecycle.shutdown().await
    };
    let (answer, ended) = tokio::join!(request, shutdown);
    assert!(answer.ends_with("done"), "{answer}");
    ended.unwrap();
}

async fn grpc_server(echo: Echo, patience: Duration, lifecycle: &Lifecycle) -> tonic::transport::Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = GrpcServer::new("echo").with_auth(echo::auth()).with_patience(patience);
    lifecycle.spawn("echo", server.serve(listener, Routes::new(echo), Readiness::new(), lifecycle.clone()));
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

const SENDER: Option<&str> = Some("Bearer sender-token");

#[tokio::test]
async fn a_call_that_does_not_come_to_an_end_is_ended() {
    let channel = grpc_server(Echo::default(), SHORT, &Lifecycle::new()).await;
    let status = echo::call(channel.clone(), SAY, "wait", SENDER).await.unwrap_err();
    assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded), "{}", describe(&status));
    assert!(echo::call(channel, SAY, "hello", SENDER).await.is_ok());
}

#[tokio::test]
async fn a_token_larger_than_any_header_may_be_is_refused_and_a_large_one_is_read() {
    let channel = grpc_server(Echo::default(), BOUND, &Lifecycle::new()).await;
    let large = |bytes: usize| -> &'static str { format!("Bearer {}", "x".repeat(bytes)).leak() };
    let status = echo::call(channel.clone(), SAY, "hello", Some(large(8 * 1024))).await.unwrap_err();
    assert_eq!(switchboard_runtime::error::reason_of(&status).as_deref(), Some("TOKEN_INVALID"));
    let status = echo::call(channel, SAY, "hello", Some(large(64 * 1024))).await.unwrap_err();
    assert_eq!(switchboard_runtime::error::reason_of(&status), None, "it was not even read");
}

#[tokio::test]
async fn a_message_larger_than_the_service_takes_is_refused() {
    let channel = grpc_server(Echo::default(), BOUND, &Lifecycle::new()).await;
    let huge = "x".repeat(5 << 20);
    let status = echo::call(channel.clone(), SAY, &huge, SENDER).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{}", describe(&status));
    assert_eq!(switchboard_runtime::error::reason_of(&status).as_deref(), Some("INVALID_FIELD"));
    assert!(echo::call(channel, SAY, "hello", SENDER).await.is_ok());
}
