//! The hub and its subscribers without a network between them, where a subscriber can be exactly as slow as a test
//! wants.

use std::{path::Path, sync::Arc, time::Duration};

use futures::stream;
use switchboard_config_service::{
    sealing::{SealError, rotate},
    store::{Store, StoreError},
    watch::{Delivery, Ended, Hub, NodeKind, Nodes, Opener, Polling, Read, Resume, Subscription, WatchTimes},
};
use switchboard_runtime::{Ids, Lifecycle, SystemClock, http::Readiness};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use crate::{
    store::harness::Engine,
    support::{SOON, registry},
};

struct Watched {
    engine: Engine,
    hub: Hub,
    nodes: Nodes,
    readiness: Readiness,
    lifecycle: Lifecycle,
}

const TIMES: WatchTimes =
    WatchTimes { heartbeat: Duration::from_millis(50), poll: Duration::from_millis(20), patience: SOON, queue: 4 };

async fn watched(times: WatchTimes) -> Watched {
    let engine = Engine::sqlite().await;
    let store: Arc<dyn Store> = Arc::clone(&engine.store);
    let hub = Hub::new(store, opener(&engine), Arc::new(Polling::default()), times, SystemClock::shared(), Ids::new())
        .await
        .unwrap();
    let lifecycle = Lifecycle::with_grace(Duration::from_secs(5));
    let readiness = Readiness::new();
    hub.start(readiness.register("store"), &lifecycle);
    Watched { engine, hub, nodes: Nodes::new(SystemClock::shared()), readiness, lifecycle }
}

fn opener(engine: &Engine) -> Opener {
    Opener::new(engine.keys.clone(), registry("http://127.0.0.1:9", "http://127.0.0.1:9"))
}

impl Watched {
    /// A subscriber with room for one delivery besides what the hub queues.
    fn subscribe(&self, node_id: &str) -> (mpsc::Receiver<Delivery>, JoinHandle<Ended>) {
        let (out, deliveries) = mpsc::channel(1);
        let node = self.nodes.enter(node_id, NodeKind::Dispatcher, 0);
        let subscription = Subscription::new(self.hub.clone(), node, NodeKind::Dispatcher, Resume::default(), out);
        let ended = tokio::spawn(async move { subscription.run(stream::pending()).await });
        (deliveries, ended)
    }

    async fn is_ready(&self, ready: bool) {
        let mut readiness = self.readiness.watch();
        timeout(SOON, readiness.wait_for(|now| *now == ready)).await.unwrap().unwrap();
    }

    /// Rotates the key ring in this file.
    async fn rotate(&self, key_file: &Path) {
        let event = self.engine.draft("RotateKeys", "");
        rotate(key_file, self.engine.store.as_ref(), &SystemClock::shared(), event).await.unwrap();
    }

    async fn change(&self, number: usize) {
        self.engine.organization(&format!("org-{number:03}"), "Acme").await;
    }

    async fn end(self) {
        self.lifecycle.shutdown().await.unwrap();
        self.engine.remove().await;
    }
}

async fn next(deliveries: &mut mpsc::Receiver<Delivery>) -> Delivery {
    timeout(SOON, deliveries.recv()).await.unwrap().expect("the stream goes on")
}

/// Reads until the first heartbeat, which comes when the subscriber has taken its place in the hub.
async fn in_step(deliveries: &mut mpsc::Receiver<Delivery>) -> i64 {
    loop {
        if let Delivery::Heartbeat { revision, .. } = next(deliveries).await {
            return revision;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_lets_its_queue_overflow_is_ended_and_holds_up_nobody() {
    let watched = watched(TIMES).await;
    let (mut slow, slow_ended) = watched.subscribe("slow");
    let (mut quick, _quick_ended) = watched.subscribe("quick");
    in_step(&mut slow).await;
    let mut at = in_step(&mut quick).await;
    // One delivery fits into its channel, one is in its hands, four fit into its queue: the rest is too much.
    for number in 0..12 {
        watched.change(number).await;
        loop {
            if let Delivery::Change(delta) = next(&mut quick).await {
                assert_eq!(delta.revision, at + 1);
                at = delta.revision;
                break;
            }
        }
    }
    // It is told as soon as it reads again; what was queued before still comes, in order.
    let mut last = None;
    while let Some(delivery) = timeout(SOON, slow.recv()).await.unwrap() {
        if let Delivery::Change(delta) = delivery {
            assert!(last.is_none_or(|last| delta.revision == last + 1));
            last = Some(delta.revision);
        }
    }
    assert_eq!(slow_ended.await.unwrap(), Ended::Lagging);
    assert!(last.unwrap() < at, "it did not get everything");
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_reads_nothing_at_all_does_not_hold_its_snapshot_open() {
    let times = WatchTimes { patience: Duration::from_millis(100), ..TIMES };
    let watched = watched(times).await;
    let (_unread, ended) = watched.subscribe("dead");
    let ended = timeout(SOON, ended).await.unwrap().unwrap();
    assert!(matches!(ended, Ended::Silent("read anything", _)), "{ended:?}");
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_whose_next_changes_were_forgotten_meanwhile_begins_anew() {
    let watched = watched(TIMES).await;
    let (mut deliveries, ended) = watched.subscribe("d1");
    let Delivery::SnapshotBegin { position, .. } = next(&mut deliveries).await else { panic!("no snapshot begins") };
    // It has not read its snapshot to the end, so it has no place in the hub yet.
    watched.change(1).await;
    watched.change(2).await;
    timeout(SOON, async {
        while watched.hub.position().revision < position.revision + 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    watched.engine.store.forget_changes(chrono::DateTime::<chrono::Utc>::MAX_UTC, 1_000).await.unwrap();
    let rest = async { while deliveries.recv().await.is_some() {} };
    timeout(SOON, rest).await.expect("it is sent away, instead of being told for ever that nothing is new");
    assert_eq!(ended.await.unwrap(), Ended::Restarted);
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_while_a_snapshot_is_read_comes_after_it_without_a_gap() {
    let watched = watched(TIMES).await;
    for number in 0..300 {
        watched.change(number).await;
    }
    let (mut deliveries, _ended) = watched.subscribe("d1");
    let Delivery::SnapshotBegin { position, count } = next(&mut deliveries).await else { panic!() };
    assert_eq!(count, 301);
    // Far more than the queue holds: it is not the queue that bridges the time of a snapshot.
    for number in 300..340 {
        watched.change(number).await;
    }
    let mut entries = 0;
    loop {
        match next(&mut deliveries).await {
            Delivery::Entries(part) => entries += part.len(),
            Delivery::SnapshotEnd { revision } => break assert_eq!(revision, position.revision),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(entries, 301, "as of the moment it began");
    for expected in position.revision + 1..=position.revision + 40 {
        let Delivery::Change(delta) = next(&mut deliveries).await else { panic!() };
        assert_eq!(delta.revision, expected);
    }
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_heartbeat_claims_that_nothing_has_changed_when_nobody_can_know() {
    let watched = watched(TIMES).await;
    let (mut deliveries, _ended) = watched.subscribe("d1");
    in_step(&mut deliveries).await;
    // The store cannot be read any more.
    watched.engine.raw("ALTER TABLE meta RENAME TO meta_gone").await.unwrap();
    let mut seen_silent = false;
    for _ in 0..200 {
        // Heartbeats come every 50 ms: half a second without one is silence.
        if timeout(Duration::from_millis(500), deliveries.recv()).await.is_err() {
            seen_silent = true;
            break;
        }
    }
    assert!(seen_silent);
    watched.engine.raw("ALTER TABLE meta_gone RENAME TO meta").await.unwrap();
    in_step(&mut deliveries).await;
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_restored_under_a_running_service_begins_a_new_epoch() {
    let watched = watched(WatchTimes { queue: 64, ..TIMES }).await;
    for number in 0..5 {
        watched.change(number).await;
    }
    let (mut deliveries, ended) = watched.subscribe("d1");
    let at = in_step(&mut deliveries).await;
    // A backup of two changes ago.
    let sql = format!("UPDATE meta SET revision = {}; DELETE FROM changes WHERE revision > {0}", at - 2);
    watched.engine.raw(&sql).await.unwrap();
    while timeout(SOON, deliveries.recv()).await.unwrap().is_some() {}
    assert_eq!(ended.await.unwrap(), Ended::Restarted);
    let (mut deliveries, _ended) = watched.subscribe("d1");
    let Delivery::SnapshotBegin { position, .. } = next(&mut deliveries).await else { panic!() };
    assert_eq!(position.revision, at - 2);
    assert_ne!(position.epoch, "epoch-1");
    let events = watched.engine.store.events_after(0, 100).await.unwrap();
    assert_eq!(events.last().unwrap().what.action, "BeginEpoch");
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_the_key_says_that_it_cannot_say_and_not_that_there_is_nothing() {
    let watched = watched(TIMES).await;
    let engine = &watched.engine;
    engine.organization("acme", "Acme").await;
    engine.add("acme", "cloudmsg", "secret").await;
    let (mut before, _ended) = watched.subscribe("before");
    let at = in_step(&mut before).await;
    watched.is_ready(true).await;
    // Rotated with a copy: the file of this replica is as it was.
    let copy = engine.key_file().with_file_name("copy.json");
    std::fs::copy(engine.key_file(), &copy).unwrap();
    watched.rotate(&copy).await;
    engine.rename(engine.store.as_ref(), "acme", "Acme Korea", 1).await.unwrap();
    watched.is_ready(false).await;
    assert!(matches!(watched.hub.resolve("acme").await, Err(StoreError::KeyMissing { .. })));
    let (mut fresh, ended) = watched.subscribe("fresh");
    while let Some(delivery) = timeout(SOON, fresh.recv()).await.unwrap() {
        assert!(matches!(delivery, Delivery::SnapshotBegin { .. }), "{delivery:?}");
    }
    assert_eq!(ended.await.unwrap(), Ended::StoreUnavailable);
    std::fs::copy(&copy, engine.key_file()).unwrap();
    watched.is_ready(true).await;
    let delta = loop {
        if let Delivery::Change(delta) = next(&mut before).await {
            break delta;
        }
    };
    assert_eq!((delta.revision, delta.entry.as_ref().unwrap().accounts.len()), (at + 1, 1));
    watched.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_a_rotation_is_read_again_and_what_was_altered_is_left_out() {
    let watched = watched(TIMES).await;
    let engine = &watched.engine;
    engine.organization("acme", "Acme").await;
    engine.add("acme", "cloudmsg", "secret").await;
    let (read_before, _) = engine.store.entry("acme").await.unwrap();
    watched.rotate(&engine.key_file()).await;
    engine.keys.reload().unwrap();
    let read_before = read_before.unwrap();
    let refused = opener(engine).open(read_before.clone(), Read::AsOfBefore).unwrap_err();
    let StoreError::KeyMissing { source, .. } = refused else { panic!("{refused}") };
    assert!(matches!(source, SealError::RetiredKey { version: 1, .. }), "{source}");
    let put_back = opener(engine).open(read_before, Read::Now).unwrap();
    assert!(put_back.accounts.is_empty(), "a row of before the rotation holds up nobody");
    let accounts = async || watched.hub.resolve("acme").await.unwrap().0.unwrap().accounts.len();
    assert_eq!(accounts().await, 1);
    engine.raw("UPDATE provider_configs SET sealed = zeroblob(60)").await.unwrap();
    assert_eq!(accounts().await, 0);
    watched.end().await;
}
