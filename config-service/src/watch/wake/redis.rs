//! Waking through Redis: a message on a channel, whose content nobody reads.
//!
//! Redis may go at any time, and come back. Publishing happens behind the mutation and never holds it up; a subscription
//! that broke is made anew, and what was missed meanwhile counts as one wake.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::StreamExt as _;
use switchboard_runtime::Lifecycle;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::Wake;

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long Redis is not asked after it failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Wakes the other replicas through Redis.
pub struct RedisWake {
    revision: watch::Sender<i64>,
    woken: Arc<Notify>,
}

/// `redis_url` is no address of a Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("redis_url is not understood: use redis://<host>:<port>")]
pub struct NoRedisUrl;

struct Line {
    client: redis::Client,
    channel: String,
}

impl RedisWake {
    /// Wakes whoever shares this Redis and this `scope`, which tells stores apart. Redis need not be there yet.
    ///
    /// # Errors
    ///
    /// [`NoRedisUrl`].
    pub fn start(redis_url: &str, scope: &str, lifecycle: &Lifecycle) -> Result<Self, NoRedisUrl> {
        // What the driver says of a URL may hold its password.
        let client = redis::Client::open(redis_url).map_err(|_| NoRedisUrl)?;
        let line = Arc::new(Line { client, channel: format!("switchboard:config:{scope}:committed") });
        let (revision, woken) = (watch::Sender::new(0), Arc::new(Notify::new()));

        let (publisher, revisions, draining) = (Arc::clone(&line), revision.subscribe(), lifecycle.draining());
        lifecycle.spawn("waking other replicas", async move {
            draining.run_until_cancelled(publisher.publish(revisions)).await;
            Ok(())
        });
        let (heard, draining) = (Arc::clone(&woken), lifecycle.draining());
        lifecycle.spawn("being woken by other replicas", async move {
            draining.run_until_cancelled(line.listen(heard)).await;
            Ok(())
        });
        Ok(Self { revision, woken })
    }
}

#[async_trait]
impl Wake for RedisWake {
    async fn committed(&self, revision: i64) {
        self.revision.send_if_modified(|last| std::mem::replace(last, revision.max(*last)) < revision);
    }

    async fn woken(&self) {
        self.woken.notified().await;
    }
}

impl Line {
    async fn publish(&self, mut revisions: watch::Receiver<i64>) {
        let mut connection: Option<redis::aio::MultiplexedConnection> = None;
        while revisions.changed().await.is_ok() {
            let revision = *revisions.borrow_and_update();
            if let Err(error) = self.tell(&mut connection, revision).await {
                connection = None;
                tracing::warn!(%error, "redis cannot be reached: the other replicas find this change by polling");
                metrics::counter!("switchboard_redis_fallbacks_total", "use" => "wake").increment(1);
                sleep(PAUSE).await;
            }
        }
    }

    async fn tell(
        &self,
        kept: &mut Option<redis::aio::MultiplexedConnection>,
        revision: i64,
    ) -> redis::RedisResult<()> {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => in_time(self.client.get_multiplexed_async_connection()).await?,
        };
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&self.channel).arg(revision);
        in_time(publish.query_async::<i64>(&mut connection)).await?;
        *kept = Some(connection);
        Ok(())
    }

    async fn listen(&self, woken: Arc<Notify>) {
        let mut failing = false;
        loop {
            match self.hear(&woken).await {
                Ok(()) => failing = false,
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "redis cannot be reached: changes of other replicas are found by polling");
                    }
                    failing = true;
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Listens until the connection ends.
    async fn hear(&self, woken: &Notify) -> redis::RedisResult<()> {
        let mut subscription = in_time(self.client.get_async_pubsub()).await?;
        in_time(subscription.subscribe(&self.channel)).await?;
        // Something may have been told while nobody listened.
        woken.notify_one();
        let mut messages = subscription.into_on_message();
        while messages.next().await.is_some() {
            woken.notify_one();
        }
        Ok(())
    }
}

async fn in_time<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> redis::RedisResult<T> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}
