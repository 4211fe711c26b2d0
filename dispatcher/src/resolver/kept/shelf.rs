//! Where a kept snapshot lies: a file of this machine, or a Redis that all dispatchers share.

mod file;
mod redis;

use async_trait::async_trait;

pub use self::{file::FileShelf, redis::RedisShelf};
use super::seal::Label;

/// Where a kept snapshot lies, sealed.
#[async_trait]
pub(super) trait Shelf: Send + Sync + 'static {
    /// What lies there, without its content; `None`: nothing that can be used.
    async fn label(&self) -> Result<Option<Label>, ShelfError>;

    /// What lies there.
    async fn take(&self) -> Result<Option<Vec<u8>>, ShelfError>;

    /// Puts something there, unless what lies there supersedes it. Says whether it did.
    async fn put(&self, label: &Label, sealed: Vec<u8>) -> Result<bool, ShelfError>;
}

/// The shelf cannot be reached. Says why, without a password.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ShelfError(pub(super) String);
