//! How many calls a second a vendor account takes: in this process alone, or shared by all dispatchers through Redis.
//!
//! Redis may go at any time. Then each dispatcher falls back to its own share at once, without asking Redis again for a
//! moment: a limiter that waits for a dead server would bring down what it protects.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use governor::{DefaultDirectRateLimiter, Quota};
use redis::{Script, aio::ConnectionManager};
use tokio::{sync::OnceCell, time::Instant};

/// Calls a second by account.
#[async_trait]
pub trait Rate: Send + Sync {
    /// Waits until the account may be called once more.
    async fn turn(&self, account: &str);
}

/// As fast as the concurrency allows.
pub struct Unlimited;

#[async_trait]
impl Rate for Unlimited {
    async fn turn(&self, _: &str) {}
}

/// A rate kept by this process.
pub struct LocalRate {
    quota: Quota,
    limiters: Mutex<HashMap<String, Arc<DefaultDirectRateLimiter>>>,
}

impl LocalRate {
    /// So many calls a second, and as many at once after a pause.
    pub fn new(per_second: NonZeroU32) -> Self {
        Self { quota: Quota::per_second(per_second), limiters: Mutex::default() }
    }

    fn limiter(&self, account: &str) -> Arc<DefaultDirectRateLimiter> {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = limiters.get(account) {
            return Arc::clone(known);
        }
        let new = Arc::new(DefaultDirectRateLimiter::direct(self.quota));
        limiters.insert(account.to_owned(), Arc::clone(&new));
        new
    }
}

#[async_trait]
impl Rate for LocalRate {
    async fn turn(&self, account: &str) {
        self.limiter(account).until_ready().await;
    }
}

/// A rate shared through Redis, with this process's own in its place while Redis is away.
pub struct SharedRate {
    client: redis::Client,
    connection: OnceCell<ConnectionManager>,
    script: Script,
    per_second: NonZeroU32,
    local: LocalRate,
    away_since: Mutex<Option<Instant>>,
}

/// How long Redis may take.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long Redis is not asked after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The generic cell rate algorithm: one time stamp an account says when its bucket will be empty. Answers how many
/// microseconds to wait before asking again; 0: go. Redis' own clock decides, so that dispatchers need not agree.
const GCRA: &str = r"
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local wait = full_at - now - interval * (burst - 1)
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%d', full_at + interval), 'PX', math.ceil((full_at + interval - now) / 1000) + 1000)
return 0
";

impl SharedRate {
    /// So many calls a second over all dispatchers that share this Redis.
    ///
    /// # Errors
    ///
    /// When the address is none. Redis need not be there.
    pub fn new(redis_url: &str, per_second: NonZeroU32) -> Result<Self, redis::RedisError> {
        Ok(Self {
            client: redis::Client::open(redis_url)?,
            connection: OnceCell::new(),
            script: Script::new(GCRA),
            per_second,
            local: LocalRate::new(per_second),
            away_since: Mutex::default(),
        })
    }

    fn is_away(&self) -> bool {
        let away = *self.away_since.lock().unwrap_or_else(PoisonError::into_inner);
        away.is_some_and(|since| since.elapsed() < PAUSE)
    }

    fn went_away(&self, error: &str) {
        let mut away = self.away_since.lock().unwrap_or_else(PoisonError::into_inner);
        tracing::warn!(error, "redis cannot be reached: this dispatcher keeps its own rate for now");
        metrics::counter!("switchboard_redis_fallbacks_total", "use" => "rate").increment(1);
        *away = Some(Instant::now());
    }

    /// How long to wait; `None`: go.
    async fn ask(&self, account: &str) -> Result<Option<Duration>, redis::RedisError> {
        let mut connection = self.connection.get_or_try_init(|| self.client.get_connection_manager()).await?.clone();
        let interval = 1_000_000 / self.per_second.get();
        let mut call = self.script.key(format!("switchboard:rate:{account}"));
        let wait: u64 = call.arg(interval).arg(self.per_second.get()).invoke_async(&mut connection).await?;
        Ok((wait > 0).then(|| Duration::from_micros(wait)))
    }
}

#[async_trait]
impl Rate for SharedRate {
    async fn turn(&self, account: &str) {
        while !self.is_away() {
            match tokio::time::timeout(PATIENCE, self.ask(account)).await {
                Ok(Ok(None)) => return,
                Ok(Ok(Some(wait))) => tokio::time::sleep(wait).await,
                Ok(Err(error)) => self.went_away(&error.to_string()),
                Err(_) => self.went_away("no answer in time"),
            }
        }
        self.local.turn(account).await;
    }
}
