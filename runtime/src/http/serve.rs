//! An HTTP server that does not let itself be held up: bounds on connections, headers, streams and silence.

use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::accept::{Connection, Door};

/// How long the headers of a request may take, and a connection may be idle between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// All headers of one request together, in bytes.
const HEADERS: usize = 16 * 1024;
/// Headers of one request.
const HEADER_COUNT: usize = 64;
/// Streams of one HTTP/2 connection.
const CONCURRENT_STREAMS: u32 = 256;
/// How often a quiet HTTP/2 connection is probed, and how long the answer may take.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Serves until `draining` is cancelled and the requests under way are answered. Dropping the future ends everything.
pub async fn serve(mut door: Door, router: Router, draining: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = draining.cancelled() => break,
            connection = door.next() => {
                connections.spawn(attend(connection, router.clone(), draining.clone()));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(door);
    while connections.join_next().await.is_some() {}
}

async fn attend(connection: Connection, router: Router, draining: CancellationToken) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADERS)
        .max_headers(HEADER_COUNT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .max_header_list_size(HEADERS as u32)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE);
    let service = TowerToHyperService::new(router);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(connection), service));
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = draining.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection has broken");
    }
}
