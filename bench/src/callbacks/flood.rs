//! Posts callbacks as a vendor does: again when it is told to come again, but sooner.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::events::Callback;
use crate::stats::Latencies;

/// How long to wait before coming again.
const PAUSE: Duration = Duration::from_millis(20);

/// What posting them all came to.
pub(super) struct Outcome {
    pub(super) elapsed: Duration,
    pub(super) latencies: Latencies,
    /// Answers 503.
    pub(super) repeated: u64,
}

type Http = Client<HttpConnector, Full<bytes::Bytes>>;

/// Posts every callback until it has been answered 200.
///
/// # Errors
/// On any answer but 200 and 503.
pub(super) async fn run(callbacks: Vec<Callback>, in_flight: u32, url: &str) -> anyhow::Result<Outcome> {
    let url: Uri = url.parse()?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let http: Http = Client::builder(TokioExecutor::new()).build(connector);
    let waiting = Arc::new(Mutex::new(callbacks));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..in_flight {
        tasks.spawn(post_some(http.clone(), url.clone(), Arc::clone(&waiting)));
    }
    let (mut latencies, mut repeated) = (Latencies::new()?, 0);
    while let Some(posted) = tasks.join_next().await {
        let (some, again) = posted??;
        latencies.add(&some)?;
        repeated += again;
    }
    Ok(Outcome { elapsed: begun.elapsed(), latencies, repeated })
}

async fn post_some(http: Http, url: Uri, waiting: Arc<Mutex<Vec<Callback>>>) -> anyhow::Result<(Latencies, u64)> {
    let (mut latencies, mut repeated) = (Latencies::new()?, 0);
    loop {
        let Some(callback) = waiting.lock().await.pop() else { return Ok((latencies, repeated)) };
        let begun = Instant::now();
        loop {
            let request = Request::post(url.clone())
                .header(header::CONTENT_TYPE, "application/json")
                .header("x-cm-service-id", &callback.service_id)
                .header("x-cm-callback-signature", &callback.signature)
                .body(Full::new(callback.body.clone()))?;
            let response = http.request(request).await.context("the gateway does not answer")?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            match status {
                StatusCode::OK => break,
                StatusCode::SERVICE_UNAVAILABLE => {
                    repeated += 1;
                    sleep(PAUSE).await;
                }
                _ => anyhow::bail!("the gateway answered {status}: {}", String::from_utf8_lossy(&body)),
            }
        }
        latencies.record(begun.elapsed());
    }
}
