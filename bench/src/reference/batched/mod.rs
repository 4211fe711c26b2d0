//! Writers that commit whatever waits in one go, without a timer. The floor has one of them and a thin HTTP client; the
//! other has one for what is new and one for what was accepted, and reqwest.
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
    vendor::{Client, Thin, Usual},
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

struct Batched<C> {
    new: mpsc::Sender<Job>,
    accepted: mpsc::Sender<Job>,
    vendor: C,
}

/// Serves until the process is killed: one writer, a thin client.
pub(super) async fn serve(places: &Places) -> anyhow::Result<()> {
    let mut writers = JoinSet::new();
    let writes = match places.database_url.strip_prefix("sqlite://") {
        Some(path) => start(&mut writers, sqlite::Sqlite::open(path).await?),
        None => start(&mut writers, postgres::Postgres::open(&places.database_url).await?),
    };
    let vendor = Thin::new(&places.vendor_url)?;
    service::serve(Batched { new: writes.clone(), accepted: writes, vendor }).await
}

/// The same with two writers and reqwest, on PostgreSQL.
pub(super) async fn serve_usual(places: &Places) -> anyhow::Result<()> {
    let mut writers = JoinSet::new();
    let new = start(&mut writers, postgres::Postgres::open(&places.database_url).await?);
    let accepted = start(&mut writers, postgres::Postgres::open(&places.database_url).await?);
    service::serve(Batched { new, accepted, vendor: Usual::new(&places.vendor_url)? }).await
}

/// Starts a writer; where its writes go.
fn start(writers: &mut JoinSet<()>, engine: impl Engine) -> mpsc::Sender<Job> {
    let (writes, jobs) = mpsc::channel(QUEUE);
    writers.spawn(commit(engine, jobs));
    writes
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

/// Waits until it is committed.
async fn write(writes: &mpsc::Sender<Job>, write: Write) -> anyhow::Result<()> {
    let (done, committed) = oneshot::channel();
    writes.send(Job { write, done }).await?;
    anyhow::ensure!(committed.await?, "not committed");
    Ok(())
}

impl<C: Client> Carrier for Batched<C> {
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
        write(&self.new, Write::New(new)).await?;
        let provider_message_id = self.vendor.send(message_id, request).await?;
        let accepted = Accepted {
            message_id: message_id.to_owned(),
            provider_message_id: provider_message_id.clone(),
            time: SystemClock.now(),
        };
        write(&self.accepted, Write::Accepted(accepted)).await?;
        Ok(provider_message_id)
    }
}
