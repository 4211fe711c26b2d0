//! Asking config-service for one organisation: the safety net under the watch.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use switchboard_proto::config::v1::{
    ResolveOrganizationRequest, config_watch_service_client::ConfigWatchServiceClient,
};
use switchboard_runtime::{Lifecycle, grpc::client::AuthorizedChannel, watch_client::Position};
use tokio::time::Instant;

use super::{Entry, sink::Sink};

/// How long config-service may take; a send waits for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long nobody asks again after it could not be reached.
const PAUSE: Duration = Duration::from_secs(1);

/// Config-service could not be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unreachable;

type Answer = Result<Option<Arc<Entry>>, Unreachable>;
type Questions = Arc<Mutex<HashMap<String, Shared<BoxFuture<'static, Answer>>>>>;

/// Asks, once for all who wait for the same organisation. A question goes on to its end when all of them have hung up, so
/// that nobody takes its answer for one to a later question.
pub(super) struct Refresh {
    client: ConfigWatchServiceClient<AuthorizedChannel>,
    sink: Arc<Sink>,
    under_way: Questions,
    failed: Arc<Mutex<Option<Instant>>>,
    lifecycle: Lifecycle,
}

/// A question that is asked; no longer under way when this is dropped.
struct Asked {
    organization_id: String,
    under_way: Questions,
}

impl Drop for Asked {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.organization_id);
    }
}

impl Refresh {
    pub(super) fn new(channel: AuthorizedChannel, sink: Arc<Sink>, lifecycle: Lifecycle) -> Self {
        let client = ConfigWatchServiceClient::new(channel);
        Self { client, sink, under_way: Arc::default(), failed: Arc::default(), lifecycle }
    }

    /// The organisation's entry as config-service has it now; it is in the cache when this returns.
    pub(super) async fn once(&self, organization_id: &str) -> Answer {
        let failed = *lock(&self.failed);
        if failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
            return Err(Unreachable);
        }
        let answer = {
            let mut under_way = lock(&self.under_way);
            match under_way.get(organization_id) {
                Some(answer) => answer.clone(),
                None => {
                    let answer = self.begin(organization_id.to_owned());
                    under_way.insert(organization_id.to_owned(), answer.clone());
                    answer
                }
            }
        };
        answer.await
    }

    fn begin(&self, organization_id: String) -> Shared<BoxFuture<'static, Answer>> {
        let (question, under_way) = (self.ask(organization_id.clone()), Arc::clone(&self.under_way));
        let asking = self.lifecycle.spawn_detached("question for a mapping", async move {
            let _asked = Asked { organization_id, under_way };
            question.await
        });
        asking.map(|answer| answer.unwrap_or(Err(Unreachable))).boxed().shared()
    }

    fn ask(&self, organization_id: String) -> impl Future<Output = Answer> + Send + 'static {
        let (mut client, sink, failed) = (self.client.clone(), Arc::clone(&self.sink), Arc::clone(&self.failed));
        async move {
            let request = ResolveOrganizationRequest { organization_id: organization_id.clone() };
            let answer = tokio::time::timeout(PATIENCE, client.resolve_organization(request)).await;
            let Ok(Ok(response)) = answer else {
                *lock(&failed) = Some(Instant::now());
                tracing::warn!("config-service cannot be asked for a mapping; the last known ones serve");
                return Err(Unreachable);
            };
            let response = response.into_inner();
            let now = Instant::now();
            let position = Position { revision: response.revision, epoch: response.epoch };
            let entry = response.entry.map(|entry| sink.open(entry));
            Ok(sink.cache.answer(&position, &organization_id, entry, now))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
