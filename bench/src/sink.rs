//! A vendor that costs next to nothing: it accepts every CloudMsg message, and keeps none.
//!
//! A message's id is `m-` and its reference, so that look-ups need no memory. Signatures are not checked, for what is
//! measured is the other side.

use std::{convert::Infallible, fmt::Write as _, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use switchboard_runtime::{Clock as _, SystemClock};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use crate::{host::READY, output};

/// Flags.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Args {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
    /// How long a send takes
    #[arg(long, default_value = "0ms")]
    latency: humantime::Duration,
}

/// Answers until it is killed.
///
/// # Errors
/// When it cannot listen.
pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    output::line(format_args!("{READY}{}", listener.local_addr()?))?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                connections.spawn(serve(accepted?.0, *args.latency));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, latency: Duration) {
    let answer = service_fn(move |request| async move { Ok::<_, Infallible>(answer(request, latency).await) });
    // A client that goes away is no news.
    let _ = stream.set_nodelay(true);
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

async fn answer(request: Request<Incoming>, latency: Duration) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let path: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    match (&head.method, path.as_slice()) {
        (&Method::POST, ["v2", "services", _, "messages"]) => match body.collect().await {
            Ok(body) => {
                if !latency.is_zero() {
                    sleep(latency).await;
                }
                accept(&body.to_bytes())
            }
            Err(_) => json(StatusCode::BAD_REQUEST, String::new()),
        },
        (&Method::GET, ["v2", "services", service]) => json(
            StatusCode::OK,
            format!(r#"{{"serviceId":"{service}","status":"ACTIVE","senderNumbers":["15881234"],"channels":[]}}"#),
        ),
        (&Method::GET, ["v2", "services", _, "messages", id]) => json(StatusCode::OK, delivered(id)),
        (&Method::GET, ["v2", "services", _, "messages"]) => match head.uri.query().and_then(reference) {
            Some(reference) => {
                json(StatusCode::OK, format!(r#"{{"messages":[{}]}}"#, delivered(&format!("m-{reference}"))))
            }
            None => json(StatusCode::NOT_FOUND, String::new()),
        },
        _ => json(StatusCode::NOT_FOUND, r#"{"error":{"errorCode":"300","message":"no such service"}}"#.to_owned()),
    }
}

fn reference(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("clientRef="))
}

/// The 202 of a send (CloudMsg interface document, Send).
fn accept(body: &[u8]) -> Response<Full<Bytes>> {
    let now = SystemClock.now().timestamp_millis();
    let mut messages = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((to, behind)) = text(rest, br#""to":""#)
        && let Some((reference, behind)) = text(behind, br#""clientRef":""#)
    {
        let comma = if messages.is_empty() { "" } else { "," };
        let _ = write!(
            messages,
            r#"{comma}{{"messageId":"m-{reference}","to":"{to}","clientRef":"{reference}","requestStatusCode":"A000","requestStatusName":"success","requestStatusDesc":""}}"#
        );
        rest = behind;
    }
    if messages.is_empty() {
        let error = r#"{"error":{"errorCode":"100","message":"no recipient"}}"#;
        return json(StatusCode::BAD_REQUEST, error.to_owned());
    }
    json(
        StatusCode::ACCEPTED,
        format!(
            r#"{{"requestId":"RCM-{now}","requestTime":{now},"statusCode":"202","statusName":"success","messages":[{messages}]}}"#
        ),
    )
}

/// An item of a look-up (CloudMsg interface document, Look-up).
fn delivered(id: &str) -> String {
    let reference = id.strip_prefix("m-").unwrap_or(id);
    let now = SystemClock.now().timestamp_millis();
    format!(
        r#"{{"messageId":"{id}","requestId":"RCM-{reference}","clientRef":"{reference}","type":"SMS","to":"01020000000","from":"15881234","status":"COMPLETED","statusName":"success","statusCode":"0","statusMessage":"","telcoCode":"SKT","requestTime":{now},"completeTime":{now},"failover":null}}"#
    )
}

/// The text after `key`, up to the next quote, and what is behind it. The values looked for hold no escapes.
fn text<'b>(body: &'b [u8], key: &[u8]) -> Option<(&'b str, &'b [u8])> {
    let start = body.windows(key.len()).position(|window| window == key)? + key.len();
    let length = body[start..].iter().position(|byte| *byte == b'"')?;
    let (text, behind) = body[start..].split_at(length);
    Some((std::str::from_utf8(text).ok()?, behind))
}

fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_recipient_is_accepted_under_its_own_reference() {
        let body = r#"{"type":"SMS","content":"안녕","messages":[{"to":"01012345678","clientRef":"ord-1"},{"to":"01023456789","clientRef":"ord-2","content":"또"}]}"#;
        let answer = accept(body.as_bytes());
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let answer = answer.into_body().collect().await.unwrap().to_bytes();
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let of = |field: &str| {
            answer["messages"].as_array().unwrap().iter().map(|message| message[field].clone()).collect::<Vec<_>>()
        };
        assert_eq!(of("messageId"), ["m-ord-1", "m-ord-2"]);
        assert_eq!(of("to"), ["01012345678", "01023456789"]);
        assert_eq!(accept(b"{}").status(), StatusCode::BAD_REQUEST);
    }
}
