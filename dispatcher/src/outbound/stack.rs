//! The tower stack around one vendor account, from the outside in: circuit breaker, concurrency limit, timeout, vendor.
//! The breaker is outermost, so that an open one costs no place in the queue.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use switchboard_providers::{MessageProvider, model::SendOutcome};
use tower::{BoxError, Service, ServiceBuilder, limit::ConcurrencyLimit, timeout::Timeout};

use super::{
    Limits, Outgoing,
    breaker::{Breaker, Guarded},
};

/// One call of the vendor.
pub(super) struct Call {
    /// Which of the lane's clients: credentials may have changed since another call began.
    pub(super) provider: Arc<dyn MessageProvider>,
    pub(super) message: Arc<Outgoing>,
    pub(super) at: DateTime<Utc>,
}

/// The innermost service: the vendor's client.
#[derive(Clone)]
pub(super) struct Vendor;

impl Service<Call> for Vendor {
    type Response = SendOutcome;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<SendOutcome, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Call { provider, message, at }: Call) -> Self::Future {
        Box::pin(async move {
            Ok(match &*message {
                Outgoing::Sms(sms) => provider.send_sms(sms, at).await,
                Outgoing::Mms(mms) => provider.send_mms(mms, at).await,
                Outgoing::Alimtalk(alimtalk) => provider.send_alimtalk(alimtalk, at).await,
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
