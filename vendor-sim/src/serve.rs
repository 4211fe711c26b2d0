//! The way of every request: read, hit by a fault or not, carried out, written to the journal, answered.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use tokio::net::TcpListener;

use crate::conn::{ConnHandle, ResettableListener};
use crate::control;
use crate::core::{Answer, Effects, Received, Wire, locked};
use crate::faults::{Facts, Fault, RetryAfterForm};
use crate::journal::{Operation, RequestEntry, Verdict, visible_headers};

/// Longest body that the journal keeps.
const JOURNAL_BODY_LIMIT: usize = 16 * 1024;

/// Binds and serves one vendor until it is told to stop; returns where it listens.
pub(crate) async fn start(wire: Arc<dyn Wire>, listen: SocketAddr) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let app = Router::new()
        .nest("/_control", control::router(Arc::clone(&wire)))
        .fallback(handle)
        .with_state(Arc::clone(&wire));
    let stop = wire.core().stop.clone();
    wire.core().tracker.spawn(async move {
        let service = app.into_make_service_with_connect_info::<ConnHandle>();
        let serving = axum::serve(ResettableListener(listener), service).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!(%error, "a simulated vendor stopped listening");
        }
    });
    Ok(address)
}

async fn handle(
    State(wire): State<Arc<dyn Wire>>,
    ConnectInfo(connection): ConnectInfo<ConnHandle>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
    let Ok(body) = to_bytes(body, wire.body_limit()).await else {
        return wire.too_large().with_header(header::CONNECTION, "close".to_owned()).into_response();
    };
    let received = Received { method: parts.method, target, headers: parts.headers, body };
    let operation = wire.operation(&received);
    let account = wire.account_of(&received);
    let fault = locked(&wire.core().faults).take(&Facts {
        operation,
        target: &received.target,
        body: &received.body,
        idempotency_key: received.header("idempotency-key").unwrap_or_default(),
        account: account.as_deref(),
    });
    let entry = draft(&wire, &received, operation, account, fault.as_ref());
    let carried_out = match &fault {
        Some(fault) if !fault.reaches_the_vendor() => None,
        fault => Some(carry_out(&wire, received, fault.as_ref()).await),
    };
    let answer = spoil(&wire, fault.as_ref(), carried_out.as_ref());
    record(&wire, entry, fault.as_ref(), carried_out.as_ref(), &answer);
    finish(&wire, &connection, fault.as_ref(), operation, answer).await
}

/// Lets the vendor process the request. A slow vendor goes on when its client has hung up.
async fn carry_out(wire: &Arc<dyn Wire>, received: Received, fault: Option<&Fault>) -> Answer {
    let effects = match fault {
        Some(Fault::Delay { ms, accept_first: false }) => Effects { pause_ms: *ms, ..Effects::default() },
        Some(Fault::RefuseRecipients { to, code }) => {
            Effects { refuse: Some((to.clone(), code.clone())), ..Effects::default() }
        }
        Some(Fault::Outcome { outcome }) => Effects { outcome: Some(outcome.clone()), ..Effects::default() },
        _ => Effects::default(),
    };
    let detached = effects.pause_ms > 0;
    let routed = Arc::clone(wire).route(received, effects);
    if !detached {
        return routed.await;
    }
    match wire.core().tracker.spawn(routed).await {
        Ok(answer) => answer,
        Err(_) => wire.server_error(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The answer as the client gets it.
fn spoil(wire: &Arc<dyn Wire>, fault: Option<&Fault>, carried_out: Option<&Answer>) -> Answer {
    let status_of = |status: &u16| StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let undisturbed = || carried_out.cloned().unwrap_or_else(|| wire.server_error(StatusCode::INTERNAL_SERVER_ERROR));
    match fault {
        Some(Fault::ServerError { status, retry_after_s, .. }) => {
            let answer = wire.server_error(status_of(status));
            match retry_after_s {
                Some(seconds) => answer.with_header(header::RETRY_AFTER, seconds.to_string()),
                None => answer,
            }
        }
        Some(Fault::Html { status, .. }) => gateway_page(status_of(status)),
        Some(Fault::Throttle { after_s, form }) => throttled(wire, *after_s, *form),
        Some(Fault::NotAccepted) => wire.not_accepted(),
        Some(Fault::Unauthorized) => wire.unauthorized(),
        Some(Fault::Refuse { code }) => wire.refusal(code, "a scripted fault refused this request"),
        Some(Fault::Respond { status, content_type, body, .. }) => Answer {
            body: body.clone().into_bytes(),
            ..Answer::empty(status_of(status)).with_header(header::CONTENT_TYPE, content_type.clone())
        },
        Some(Fault::TruncatedJson) => {
            let mut answer = undisturbed();
            answer.body.truncate(answer.body.len() / 2);
            answer
        }
        _ => undisturbed(),
    }
}

fn throttled(wire: &Arc<dyn Wire>, after_s: u64, form: RetryAfterForm) -> Answer {
    let answer = wire.throttled();
    let as_date = match form {
        RetryAfterForm::Absent => return answer,
        RetryAfterForm::Native => wire.retry_after_is_date(),
        RetryAfterForm::Seconds => false,
        RetryAfterForm::HttpDate => true,
    };
    let value = if as_date {
        let now = u64::try_from(wire.core().clock.now_ms()).unwrap_or_default();
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(now + after_s * 1_000);
        httpdate::fmt_http_date(at)
    } else {
        after_s.to_string()
    };
    answer.with_header(header::RETRY_AFTER, value)
}

/// What a gateway in front of the vendor says by itself.
pub(crate) fn gateway_page(status: StatusCode) -> Answer {
    let reason = status.canonical_reason().unwrap_or("Error");
    let title = format!("{} {reason}", status.as_u16());
    let page = format!("<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n");
    Answer { content_type: Some("text/html"), body: page.into_bytes(), ..Answer::empty(status) }
}

fn draft(
    wire: &Arc<dyn Wire>,
    received: &Received,
    operation: Operation,
    account: Option<String>,
    fault: Option<&Fault>,
) -> Option<RequestEntry> {
    let core = wire.core();
    if !core.settings().journal {
        return None;
    }
    let text = (received.body.len() <= JOURNAL_BODY_LIMIT && !received.body.is_empty())
        .then(|| std::str::from_utf8(&received.body).ok().map(str::to_owned))
        .flatten();
    Some(RequestEntry {
        seq: 0,
        at: core.clock.now_ms(),
        method: received.method.to_string(),
        path: received.target.clone(),
        headers: visible_headers(&received.headers),
        body: text,
        operation,
        account,
        verdict: Verdict::NotChecked,
        fault: fault.map(Fault::name),
        status: None,
        accepted: Vec::new(),
        references: Vec::new(),
        warnings: Vec::new(),
    })
}

fn record(
    wire: &Arc<dyn Wire>,
    entry: Option<RequestEntry>,
    fault: Option<&Fault>,
    carried_out: Option<&Answer>,
    answer: &Answer,
) {
    let Some(mut entry) = entry else { return };
    if let Some(carried_out) = carried_out {
        entry.verdict = match &carried_out.refusal {
            None => Verdict::Valid,
            Some((code, reason)) => Verdict::Invalid { code: code.clone(), reason: reason.clone() },
        };
        entry.accepted.clone_from(&carried_out.accepted);
        entry.references.clone_from(&carried_out.references);
        entry.warnings.clone_from(&carried_out.warnings);
    }
    let unanswered = matches!(fault, Some(Fault::Hang { .. } | Fault::Reset { .. }));
    entry.status = (!unanswered).then(|| answer.status.as_u16());
    let core = wire.core();
    let limit = core.settings().journal_limit;
    locked(&core.journal).request(entry, limit);
}

async fn finish(
    wire: &Arc<dyn Wire>,
    connection: &ConnHandle,
    fault: Option<&Fault>,
    operation: Operation,
    answer: Answer,
) -> Response {
    let core = wire.core();
    match fault {
        Some(Fault::Hang { .. }) => core.stop.cancelled().await,
        Some(Fault::Reset { .. }) => connection.reset(),
        Some(Fault::Delay { ms, accept_first: true }) => {
            core.pause(*ms).await;
        }
        _ => {}
    }
    if operation == Operation::Send {
        core.pause(core.settings().answer_delay_ms).await;
    }
    answer.into_response()
}
