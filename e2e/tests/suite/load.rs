//! Callers that send all the time, and what they know at the end.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use switchboard_proto::dispatch::v1::{Message, MessageStatus};
use tokio::{task::JoinHandle, time::Instant};

use crate::site::Caller;

/// Organisations that send: one by the platform's default, one with both vendors, one with SendTalk.
const ORGANIZATIONS: [&str; 3] = ["gaon", "hanbit", "narae"];
/// How long a caller tries one send before it goes on to the next.
const INSISTENCE: Duration = Duration::from_secs(20);

/// One send, as its caller knows it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) organization: &'static str,
    pub(crate) request_id: String,
    /// The answer; `None`: nobody ever took it, as far as the caller knows.
    pub(crate) answer: Option<Message>,
}

/// What callers know.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) sent: Mutex<Vec<Sent>>,
    /// Final states that somebody has seen, by message.
    pub(crate) finals: Mutex<HashMap<String, MessageStatus>>,
    taken: AtomicU64,
    refused: AtomicU64,
    slowest: AtomicU64,
}

impl Notes {
    /// Sends that were taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Calls that were refused or broke off so far.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// A copy of all sends.
    pub(crate) fn all(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn saw(&self, message: &Message) {
        if is_final(message.status()) {
            let mut finals = self.finals.lock().unwrap_or_else(PoisonError::into_inner);
            finals.entry(message.message_id.clone()).or_insert(message.status());
        }
    }
}

pub(crate) fn is_final(status: MessageStatus) -> bool {
    matches!(status, MessageStatus::Delivered | MessageStatus::Failed)
}

/// Callers at work.
pub(crate) struct Load {
    pub(crate) notes: Arc<Notes>,
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many callers, each with one send after the other. `name` begins their request ids.
    pub(crate) fn start(caller: &Caller, workers: usize, name: &str) -> Self {
        let (notes, stop) = (Arc::new(Notes::default()), Arc::new(AtomicBool::new(false)));
        let workers = (0..workers).map(|number| {
            let (caller, notes, stop) = (caller.clone(), Arc::clone(&notes), Arc::clone(&stop));
            let name = format!("{name}-{number}");
            crate::spawn(async move { work(&caller, &notes, &stop, &name).await })
        });
        Self { workers: workers.collect(), notes, stop }
    }

    /// Waits until so many more sends have been taken.
    pub(crate) async fn taken_more(&self, count: u64) {
        let goal = self.notes.taken() + count;
        let what = format!("{count} more sends are taken");
        crate::site::eventually(&what, async || (self.notes.taken() >= goal).then_some(())).await;
    }

    /// Lets every caller finish what it is at; what they know.
    pub(crate) async fn stop(self) -> Arc<Notes> {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.await.unwrap();
        }
        self.notes
    }
}

async fn work(caller: &Caller, notes: &Notes, stop: &AtomicBool, name: &str) {
    let mut earlier: Option<String> = None;
    for number in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let organization = ORGANIZATIONS[number as usize % ORGANIZATIONS.len()];
        let request_id = format!("{name}-{number}");
        // Every tenth recipient's phone is off; some callbacks come twice or in the wrong order.
        let to = match number % 20 {
            3 | 13 => "010-0000-2003".to_owned(),
            5 => "010-0000-9004".to_owned(),
            9 => "010-0000-9005".to_owned(),
            _ => format!("010-1234-{:04}", number % 10_000),
        };
        let began = Instant::now();
        let answer = loop {
            match caller.send(organization, &request_id, &to).await {
                Ok(message) => break Some(message),
                Err(_) => drop(notes.refused.fetch_add(1, Ordering::Relaxed)),
            }
            if began.elapsed() > INSISTENCE {
                break None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        notes.slowest.fetch_max(took, Ordering::Relaxed);
        if let Some(message) = &answer {
            notes.taken.fetch_add(1, Ordering::Relaxed);
            notes.saw(message);
        }
        // Somebody looks again at what was sent before.
        if let Some(earlier) = earlier.replace(answer.as_ref().map(|m| m.message_id.clone()).unwrap_or_default())
            && let Ok(Some(message)) = caller.look(&earlier).await
        {
            notes.saw(&message);
        }
        notes.sent.lock().unwrap_or_else(PoisonError::into_inner).push(Sent { organization, request_id, answer });
    }
}
