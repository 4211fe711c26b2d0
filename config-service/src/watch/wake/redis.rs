//! Waking through Redis: messages on two channels, whose content nobody reads. One is about commits, one about what
//! nodes have applied.
//!
//! Redis may go at any time, and come back. Publishing happens behind the mutation and never holds it up; a subscription
//! that broke is made anew, and what was missed meanwhile counts as one wake.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::StreamExt as _;
use switchboard_runtime::{Lifecycle, config::ConfigError};
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
    /// The last revision that was committed here.
    committed: watch::Sender<i64>,
    /// How often the nodes of this replica have been told of.
    told: watch::Sender<i64>,
    woken: Arc<Notify>,
    heard: watch::Sender<u64>,
}

/// The way to Redis.
#[derive(Clone)]
struct Line {
    client: redis::Client,
    /// Begins the name of every channel; tells stores apart.
    prefix: String,
}

const COMMITTED: &str = "committed";
const APPLIED: &str = "applied";

impl RedisWake {
    /// Wakes whoever shares this Redis and this `scope`, which tells stores apart. Redis need not be there yet.
    ///
    /// # Errors
    ///
    /// When `redis_url` is no address of a Redis.
    pub fn start(redis_url: &str, scope: &str, lifecycle: &Lifecycle) -> Result<Self, ConfigError> {
        // What the driver says of a URL may hold its password.
        let client = redis::Client::open(redis_url)
            .map_err(|_| ConfigError::new("redis_url is not understood: use redis://<host>:<port>"))?;
        let line = Line { client, prefix: format!("switchboard:config:{scope}:") };
        let wake = Self {
            committed: watch::Sender::new(0),
            told: watch::Sender::new(0),
            woken: Arc::new(Notify::new()),
            heard: watch::Sender::new(0),
        };
        for (topic, news) in [(COMMITTED, &wake.committed), (APPLIED, &wake.told)] {
            let (line, news, draining) = (line.clone(), news.subscribe(), lifecycle.draining());
            lifecycle.spawn("waking other replicas", async move {
                draining.run_until_cancelled(line.publish(topic, news)).await;
                Ok(())
            });
        }
        let (woken, heard, draining) = (Arc::clone(&wake.woken), wake.heard.clone(), lifecycle.draining());
        lifecycle.spawn("being woken by other replicas", async move {
            draining.run_until_cancelled(line.listen(&woken, &heard)).await;
            Ok(())
        });
        Ok(wake)
    }
}

#[async_trait]
impl Wake for RedisWake {
    fn committed(&self, revision: i64) {
        self.committed.send_if_modified(|last| std::mem::replace(last, revision.max(*last)) < revision);
    }

    async fn woken(&self) {
        self.woken.notified().await;
    }

    fn told(&self) {
        self.told.send_modify(|count| *count += 1);
    }

    fn heard(&self) -> watch::Receiver<u64> {
        self.heard.subscribe()
    }
}

impl Line {
    async fn publish(&self, topic: &str, mut news: watch::Receiver<i64>) {
        let mut connection: Option<redis::aio::MultiplexedConnection> = None;
        while news.changed().await.is_ok() {
            let latest = *news.borrow_and_update();
            if let Err(error) = self.tell(&mut connection, topic, latest).await {
                connection = None;
                tracing::warn!(%error, topic, "redis cannot be reached: the other replicas find this out by polling");
                metrics::counter!("switchboard_redis_fallbacks_total", "use" => "wake").increment(1);
                sleep(PAUSE).await;
            }
        }
    }

    async fn tell(
        &self,
        kept: &mut Option<redis::aio::MultiplexedConnection>,
        topic: &str,
        latest: i64,
    ) -> redis::RedisResult<()> {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => in_time(self.client.get_multiplexed_async_connection()).await?,
        };
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(self.channel(topic)).arg(latest);
        in_time(publish.query_async::<i64>(&mut connection)).await?;
        *kept = Some(connection);
        Ok(())
    }

    async fn listen(&self, woken: &Notify, heard: &watch::Sender<u64>) {
        let mut failing = false;
        loop {
            match self.hear(woken, heard).await {
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
    async fn hear(&self, woken: &Notify, heard: &watch::Sender<u64>) -> redis::RedisResult<()> {
        let mut subscription = in_time(self.client.get_async_pubsub()).await?;
        let (committed, applied) = (self.channel(COMMITTED), self.channel(APPLIED));
        in_time(subscription.subscribe(&[&committed, &applied])).await?;
        let count = || heard.send_modify(|count| *count += 1);
        // Something may have been told while nobody listened.
        woken.notify_one();
        count();
        let mut messages = subscription.into_on_message();
        while let Some(message) = messages.next().await {
            if message.get_channel_name() == applied {
                count();
            } else {
                woken.notify_one();
            }
        }
        Ok(())
    }

    fn channel(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }
}

async fn in_time<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> redis::RedisResult<T> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}
