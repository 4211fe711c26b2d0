//! Tasks that live, finish, die, and will not stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use switchboard_runtime::lifecycle::{Lifecycle, Signals};
use tokio::sync::Notify;

#[tokio::test]
async fn work_is_finished_before_anything_is_stopped() {
    let lifecycle = Lifecycle::new();
    let (started, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let finished = Arc::new(AtomicBool::new(false));
    let work = {
        let (started, release, finished, stopped) =
            (started.clone(), release.clone(), finished.clone(), lifecycle.stopped());
        async move {
            started.notify_one();
            release.notified().await;
            finished.store(!stopped.is_cancelled(), Ordering::SeqCst);
        }
    };
    let _forgotten = lifecycle.spawn_detached("a send", work);
    started.notified().await;
    let release = async {
        lifecycle.draining().cancelled().await;
        release.notify_one();
    };
    let (ended, ()) = tokio::join!(lifecycle.shutdown(), release);
    ended.unwrap();
    assert!(finished.load(Ordering::SeqCst), "finished, and before the hard token");
    assert!(lifecycle.stopped().is_cancelled());
}

#[tokio::test]
async fn a_task_that_fails_ends_the_process_with_its_name_and_reason() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("watch", async { anyhow::bail!("the stream is gone") });
    let patient = lifecycle.draining();
    lifecycle.spawn("server", async move {
        patient.cancelled().await;
        Ok(())
    });
    let error = lifecycle.wait().await.unwrap_err().to_string();
    assert_eq!(error, "watch has died: the stream is gone");
}

#[tokio::test]
async fn a_task_that_panics_ends_the_process_too() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("writer", async { panic!("index out of bounds") });
    let error = lifecycle.run_until_signal(Signals::listen().unwrap()).await.unwrap_err().to_string();
    assert_eq!(error, "writer has died: panicked: index out of bounds");
}

#[tokio::test]
async fn an_attendant_that_fails_ends_the_process_too() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn_attendant("metrics", async { anyhow::bail!("no sockets left") });
    assert!(lifecycle.wait().await.is_err());
}

#[tokio::test]
async fn the_first_failure_is_the_one_reported() {
    let lifecycle = Lifecycle::new();
    let draining = lifecycle.draining();
    lifecycle.spawn("second", async move {
        draining.cancelled().await;
        anyhow::bail!("lost its peer")
    });
    lifecycle.spawn("first", async { anyhow::bail!("broke") });
    let error = lifecycle.wait().await.unwrap_err().to_string();
    assert_eq!(error, "first has died: broke");
}

#[tokio::test]
async fn a_task_that_ends_well_ends_nothing_else() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("seed", async { Ok(()) });
    let handle = lifecycle.spawn_detached("probe", async { 7 });
    assert_eq!(handle.await.unwrap(), 7);
    assert!(!lifecycle.is_draining());
    lifecycle.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_detached_panic_is_its_own_affair() {
    let lifecycle = Lifecycle::new();
    let handle = lifecycle.spawn_detached("a send", async { panic!("bad day") });
    let outcome: Result<(), _> = handle.await;
    assert!(outcome.unwrap_err().is_panic());
    assert!(!lifecycle.is_draining());
    lifecycle.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_within_the_grace_is_stopped() {
    let lifecycle = Lifecycle::with_grace(Duration::from_secs(5));
    let stopped = lifecycle.stopped();
    lifecycle.spawn("long stream", async move {
        stopped.cancelled().await;
        Ok(())
    });
    let begun = tokio::time::Instant::now();
    lifecycle.shutdown().await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_stop_at_all_is_named_and_not_waited_for() {
    let lifecycle = Lifecycle::with_grace(Duration::from_secs(5));
    lifecycle.spawn("deaf", std::future::pending());
    let begun = tokio::time::Instant::now();
    let error = lifecycle.shutdown().await.unwrap_err().to_string();
    assert_eq!(error, "did not stop: deaf");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn the_default_grace_fits_what_an_orchestrator_allows() {
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("deaf", std::future::pending());
    let begun = tokio::time::Instant::now();
    lifecycle.shutdown().await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn stopping_now_does_not_wait_for_the_grace() {
    let lifecycle = Lifecycle::new();
    let stopped = lifecycle.stopped();
    lifecycle.spawn("long stream", async move {
        stopped.cancelled().await;
        Ok(())
    });
    let begun = tokio::time::Instant::now();
    lifecycle.stop_now();
    lifecycle.shutdown().await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn attendants_outlive_the_work() {
    let lifecycle = Lifecycle::new();
    let asked = Arc::new(AtomicBool::new(false));
    let stopped = lifecycle.stopped();
    let (ask, mut questions) = tokio::sync::mpsc::channel::<()>(1);
    let answered = asked.clone();
    lifecycle.spawn_attendant("health", async move {
        loop {
            tokio::select! {
                biased;
                Some(()) = questions.recv() => answered.store(true, Ordering::SeqCst),
                () = stopped.cancelled() => return Ok(()),
            }
        }
    });
    let draining = lifecycle.draining();
    lifecycle.spawn("server", async move {
        draining.cancelled().await;
        ask.send(()).await?;
        Ok(())
    });
    lifecycle.shutdown().await.unwrap();
    assert!(asked.load(Ordering::SeqCst), "it still answered while the server drained");
}
