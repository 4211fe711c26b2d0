//! A hash in Redis: the sealed snapshot, and beside it what decides which of two is kept. Only what is sealed is believed
//! when it is read.

use std::time::Duration;

use async_trait::async_trait;
use redis::{AsyncCommands as _, Script, aio::MultiplexedConnection};

use super::{Label, Shelf, ShelfError};
use crate::resolver::kept::seal::{LONGEST_LABEL, SnapshotKey};

/// How long Redis may take to let us in.
const CONNECT: Duration = Duration::from_secs(2);
/// How long it may take for the rest: a snapshot can be large.
const TRANSFER: Duration = Duration::from_secs(20);

/// Compares and puts in one step, whichever dispatchers do so at once.
const PUT: &str = r"
local there = redis.call('HMGET', KEYS[1], 'epoch', 'revision', 'confirmed')
if there[1] == ARGV[1] then
  local revision, confirmed = tonumber(there[2]) or 0, tonumber(there[3]) or 0
  if revision > tonumber(ARGV[2]) or (revision == tonumber(ARGV[2]) and confirmed >= tonumber(ARGV[3])) then return 0 end
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'revision', ARGV[2], 'confirmed', ARGV[3], 'label', ARGV[4], 'sealed', ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
";

/// A hash in Redis that is gone by itself once nobody may use it any more.
pub struct RedisShelf {
    client: redis::Client,
    key: String,
    put: Script,
    keep: Duration,
}

impl RedisShelf {
    /// Among dispatchers with the same key; what lies there is gone after `keep`. Redis need not be there.
    ///
    /// # Errors
    ///
    /// When the address is none.
    pub fn new(redis_url: &str, key: &SnapshotKey, keep: Duration) -> Result<Self, redis::RedisError> {
        let client = redis::Client::open(redis_url)?;
        Ok(Self { client, key: format!("switchboard:mappings:{}", key.scope()), put: Script::new(PUT), keep })
    }

    async fn connection(&self) -> Result<MultiplexedConnection, ShelfError> {
        in_time(CONNECT, self.client.get_multiplexed_async_connection()).await
    }
}

#[async_trait]
impl Shelf for RedisShelf {
    async fn label(&self) -> Result<Option<Label>, ShelfError> {
        let mut connection = self.connection().await?;
        let label: Option<Vec<u8>> = in_time(CONNECT, connection.hget(&self.key, "label")).await?;
        Ok(label.and_then(|label| Label::read(&label).ok()))
    }

    async fn take(&self) -> Result<Option<Vec<u8>>, ShelfError> {
        let mut connection = self.connection().await?;
        in_time(TRANSFER, connection.hget(&self.key, "sealed")).await
    }

    async fn put(&self, label: &Label, sealed: Vec<u8>) -> Result<bool, ShelfError> {
        let mut connection = self.connection().await?;
        let mut call = self.put.key(&self.key);
        call.arg(&label.position.epoch).arg(label.position.revision).arg(label.confirmed.timestamp_millis());
        call.arg(&sealed[..LONGEST_LABEL.min(sealed.len())]).arg(&sealed);
        call.arg(u64::try_from(self.keep.as_millis()).unwrap_or(u64::MAX >> 1).max(1));
        in_time(TRANSFER, call.invoke_async(&mut connection)).await
    }
}

async fn in_time<T>(patience: Duration, answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T, ShelfError> {
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(ShelfError(format!("redis: {error}"))),
        Err(_) => Err(ShelfError(format!("redis has not answered within {patience:?}"))),
    }
}
