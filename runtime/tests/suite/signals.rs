//! Real signals, to this very process: its handlers are in place before the first is sent.

use std::pin::pin;
use std::process::Command;
use std::time::Duration;

use switchboard_runtime::lifecycle::{Lifecycle, Signals};

fn send(signal: &str) {
    let status = Command::new("kill").args([signal, &std::process::id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// One test, since a signal reaches every listener in the process.
#[tokio::test]
async fn the_first_signal_drains_and_the_second_stops_at_once() {
    let lifecycle = Lifecycle::with_grace(Duration::from_secs(600));
    let stopped = lifecycle.stopped();
    lifecycle.spawn("long stream", async move {
        stopped.cancelled().await;
        Ok(())
    });
    let signals = Signals::listen().unwrap();
    // Kept until somebody asks: a start that takes long loses none.
    send("-TERM");
    let mut run = pin!(lifecycle.run_until_signal(signals));
    let draining = lifecycle.draining();
    tokio::select! {
        ended = &mut run => panic!("ended although a task still runs: {ended:?}"),
        () = draining.cancelled() => {}
    }
    assert!(!lifecycle.stopped().is_cancelled());
    // The second signal is listened to from the next time it is polled.
    assert!(futures::poll!(&mut run).is_pending());
    send("-INT");
    run.await.unwrap();
    assert!(lifecycle.stopped().is_cancelled());
}
