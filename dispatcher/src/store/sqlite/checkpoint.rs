//! Copying the write-ahead log into the file, beside the one that writes: when the writer did so itself, every commit that
//! came meanwhile waited for it.

use std::time::Duration;

use sqlx::{SqliteExecutor, SqlitePool};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often it is looked how much there is to copy.
const EVERY: Duration = Duration::from_millis(250);
/// How long it is left alone after it could not be copied.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// From how many pages on it is copied. Most pages are written again and again, and copied once each time.
const WORTHWHILE: i64 = 4_000;
/// How often it is copied while others write: each time what they have added meanwhile is less.
const PASSES: usize = 3;

/// Copies nothing (<https://sqlite.org/pragma.html#pragma_wal_checkpoint>).
const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";
/// Copies what nobody reads from it any more, and makes nobody wait.
const COPY: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Keeps the log short, for as long as it is asked to. Only a log of which nothing is left to copy is begun anew, and the one
/// who writes leaves something each time: the last, small piece is copied in its place.
pub(super) async fn keep_short(readers: SqlitePool, writer: SqlitePool) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = copy(&readers, &writer, WORTHWHILE).await {
            tracing::warn!(%error, "the history's write-ahead log cannot be copied into its file: it grows until it can");
            sleep(AFTER_FAILURE).await;
        }
    }
}

/// Copies all of it where that is worthwhile.
async fn copy(readers: &SqlitePool, writer: &SqlitePool, worthwhile: i64) -> sqlx::Result<()> {
    if left(readers, LOOK).await? < worthwhile {
        return Ok(());
    }
    for _ in 0..PASSES {
        left(readers, COPY).await?;
    }
    left(writer, COPY).await?;
    Ok(())
}

/// The pages that are left after that.
async fn left(connection: impl SqliteExecutor<'_>, checkpoint: &'static str) -> sqlx::Result<i64> {
    let (_, written, copied): (i64, i64, i64) = sqlx::query_as(checkpoint).fetch_one(connection).await?;
    Ok(written - copied)
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};

    use super::*;

    #[tokio::test]
    async fn a_log_is_copied_whole_when_it_has_become_long() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(folder.path().join("log.db")).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal).pragma("wal_autocheckpoint", "0");
        let (readers, writer) =
            (SqlitePool::connect_lazy_with(options.clone()), SqlitePool::connect_lazy_with(options));
        for sql in ["CREATE TABLE filler (bytes)", "INSERT INTO filler VALUES (zeroblob(1000000))"] {
            sqlx::query(sql).execute(&writer).await.unwrap();
        }
        let long = left(&readers, LOOK).await.unwrap();
        assert!(long > 240, "a megabyte, in pages of 4 KiB: {long}");
        copy(&readers, &writer, long + 1).await.unwrap();
        assert_eq!(left(&readers, LOOK).await.unwrap(), long, "not worthwhile yet");
        copy(&readers, &writer, long).await.unwrap();
        assert_eq!(left(&readers, LOOK).await.unwrap(), 0);
        sqlx::query("DELETE FROM filler").execute(&writer).await.unwrap();
        assert!(left(&readers, LOOK).await.unwrap() < long, "it has begun anew");
    }
}
