//! The tower stack around one vendor account, from the outside in: circuit breaker, concurrency limit, timeout, vendor.
//! The breaker is outermost, so that an open one costs no place in the queue.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use switchboard_providers::{MessageProvider, model::CallOutcome};
use tower::{BoxError, Service, ServiceBuilder, limit::ConcurrencyLimit, timeout::Timeout};

use super::{
    Limits, Outgoing,
    breaker::{Breaker, Guarded},
    company::text,
};

/// One call of the vendor, which is one call for every layer, however many messages it carries.
pub(super) struct Call {
    /// Which of the lane's clients: credentials may have changed since another call began.
    pub(super) provider: Arc<dyn MessageProvider>,
    /// At least one; several are texts that can share a call.
    pub(super) messages: Vec<Arc<Outgoing>>,
    pub(super) at: DateTime<Utc>,
}

/// The innermost service: the vendor's client.
#[derive(Clone)]
pub(super) struct Vendor;

impl Service<Call> for Vendor {
    type Response = CallOutcome;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<CallOutcome, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Call { provider, messages, at }: Call) -> Self::Future {
        Box::pin(async move {
            Ok(match (&messages[..], provider.bulk()) {
                ([message], _) => CallOutcome::All(match &**message {
                    Outgoing::Sms(sms) => provider.send_sms(sms, at).await,
                    Outgoing::Mms(mms) => provider.send_mms(mms, at).await,
                    Outgoing::Alimtalk(alimtalk) => provider.send_alimtalk(alimtalk, at).await,
                }),
                (messages, Some(bulk)) => {
                    let texts: Vec<_> = messages.iter().filter_map(|message| text(message)).collect();
                    bulk.send_texts(&texts, at).await
                }
                (_, None) => return Err("this vendor takes one message a call".into()),
            })
        })
    }
}

pub(super) type Stack = Guarded<ConcurrencyLimit<Timeout<Vendor>>>;

pub(super) fn stack(breaker: Breaker, limits: &Limits) -> Stack {
    ServiceBuilder::new()
        .layer(breaker)
        .concurrency_limit(limits.concurrency)
        .timeout(limits.send_timeout)
        .service(Vendor)
}
