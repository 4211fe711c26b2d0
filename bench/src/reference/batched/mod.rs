//! The floor: one writer commits whatever waits in one go, without a timer; the vendor is called over a thin pool.
//!
//! Alone, a write is committed at once. While a commit is under way others gather behind it and go with the next.

mod postgres;
mod sqlite;

use chrono::{DateTime, Utc};
use switchboard_proto::dispatch::v1::SendSmsRequest;
use switchboard_runtime::{Clock as _, SystemClock};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    Places,
    service::{self, Carrier},
    vendor::Thin,
};

/// Writes that wait at most.
const QUEUE: usize = 4_096;
/// Writes in one commit at most.
const LARGEST_BATCH: usize = 512;

/// A database that takes a batch in one go.
trait Engine: Send + 'static {
    /// Commits both, or neither.
    fn commit(&mut self, batch: &Batch) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// What goes together.
#[derive(Default)]
struct Batch {
    new: Vec<New>,
    accepted: Vec<Accepted>,
}

/// A message to record.
struct New {
    message_id: String,
    organization_id: String,
    request_id: String,
    recipient: String,
    sender: String,
    body: String,
    time: DateTime<Utc>,
}

/// A message that the vendor has taken.
struct Accepted {
    message_id: String,
    provider_message_id: String,
    time: DateTime<Utc>,
}

enum Write {
    New(New),
    Accepted(Accepted),
}

struct Job {
    write: Write,
    done: oneshot::Sender<bool>,
}

struct Batched {
    writes: mpsc::Sender<Job>,
    vendor: Thin,
}

/// Serves until the process is killed.
pub(super) async fn serve(places: &Places) -> anyhow::Result<()> {
    let (writes, jobs) = mpsc::channel(QUEUE);
    let mut writer = JoinSet::new();
    match places.database_url.strip_prefix("sqlite://") {
        Some(path) => writer.spawn(commit(sqlite::Sqlite::open(path).await?, jobs)),
        None => writer.spawn(commit(postgres::Postgres::open(&places.database_url).await?, jobs)),
    };
    service::serve(Batched { writes, vendor: Thin::new(&places.vendor_url)? }).await
}

async fn commit(mut engine: impl Engine, mut jobs: mpsc::Receiver<Job>) {
    let mut waiting = Vec::with_capacity(LARGEST_BATCH);
    while jobs.recv_many(&mut waiting, LARGEST_BATCH).await > 0 {
        let mut batch = Batch::default();
        let mut done = Vec::with_capacity(waiting.len());
        for job in waiting.drain(..) {
            match job.write {
                Write::New(new) => batch.new.push(new),
                Write::Accepted(accepted) => batch.accepted.push(accepted),
            }
            done.push(job.done);
        }
        let committed = engine.commit(&batch).await;
        if let Err(error) = &committed {
            crate::output::note(format_args!("a batch was not committed: {error}"));
        }
        for done in done {
            // A caller that is gone does not wait.
            let _ = done.send(committed.is_ok());
        }
    }
}

impl Batched {
    async fn write(&self, write: Write) -> anyhow::Result<()> {
        let (done, committed) = oneshot::channel();
        self.writes.send(Job { write, done }).await?;
        anyhow::ensure!(committed.await?, "not committed");
        Ok(())
    }
}

impl Carrier for Batched {
    async fn carry(&self, message_id: &str, request: &SendSmsRequest) -> anyhow::Result<String> {
        let new = New {
            message_id: message_id.to_owned(),
            organization_id: request.organization_id.clone(),
            request_id: request.request_id.clone(),
            recipient: request.to.clone(),
            sender: request.sender.clone(),
            body: request.text.clone(),
            time: SystemClock.now(),
        };
        self.write(Write::New(new)).await?;
        let provider_message_id = self.vendor.send(message_id, request).await?;
        let accepted = Accepted {
            message_id: message_id.to_owned(),
            provider_message_id: provider_message_id.clone(),
            time: SystemClock.now(),
        };
        self.write(Write::Accepted(accepted)).await?;
        Ok(provider_message_id)
    }
}
