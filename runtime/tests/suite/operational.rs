//! `/healthz`, `/readyz` and `/metrics`, asked over a plain socket.

use std::net::SocketAddr;

use serde_json::{Value, json};
use switchboard_runtime::http::{Readiness, start};
use switchboard_runtime::{Lifecycle, telemetry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

async fn server(readiness: &Readiness, lifecycle: &Lifecycle) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    start(listener, readiness.clone(), telemetry::metrics().unwrap(), lifecycle);
    address
}

#[tokio::test]
async fn readiness_shows_every_check_with_its_detail() {
    let readiness = Readiness::new();
    let history = readiness.register("history");
    readiness.register("config").degraded("snapshot is 10 min old");
    let address = server(&readiness, &Lifecycle::new()).await;

    let (status, body) = get(address, "/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({"ready": false, "checks": {
            "history": {"state": "not_ready", "detail": "starting"},
            "config": {"state": "degraded", "detail": "snapshot is 10 min old"},
        }})
    );

    history.ready();
    let (status, body) = get(address, "/readyz").await;
    assert_eq!(status, 200);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["checks"]["history"], json!({"state": "ready"}));
}

#[tokio::test]
async fn a_process_that_is_not_ready_is_still_alive() {
    let readiness = Readiness::new();
    readiness.register("history").not_ready("no database");
    let address = server(&readiness, &Lifecycle::new()).await;
    assert_eq!(get(address, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get(address, "/nothing").await.0, 404);
}

#[tokio::test]
async fn a_draining_process_is_not_ready_and_still_answers() {
    let lifecycle = Lifecycle::new();
    let address = server(&Readiness::new(), &lifecycle).await;
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    lifecycle.spawn("server", async move { Ok(released.await?) });
    let questions = async {
        lifecycle.draining().cancelled().await;
        let answer = get(address, "/readyz").await;
        release.send(()).unwrap();
        answer
    };
    let (ended, (status, body)) = tokio::join!(lifecycle.shutdown(), questions);
    ended.unwrap();
    assert_eq!(status, 503);
    assert!(body.contains("draining"), "{body}");
    assert!(TcpStream::connect(address).await.is_err(), "it has ended with the process");
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let address = server(&Readiness::new(), &Lifecycle::new()).await;
    metrics::counter!("runtime_suite_total", "vendor" => "cloudmsg").increment(3);
    let (status, body) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(body.contains("runtime_suite_total{vendor=\"cloudmsg\"} 3"), "{body}");
}
