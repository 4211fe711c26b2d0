//! The rate of a vendor account: kept by one process, shared by several through Redis, and kept alone while Redis is away.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use switchboard_dispatcher::outbound::{LocalRate, Rate, SharedRate};
use tokio::time::{Instant, timeout};

const PER_SECOND: NonZeroU32 = NonZeroU32::new(20).unwrap();

fn redis_url() -> String {
    std::env::var("SWITCHBOARD_TEST_REDIS_URL").expect("run `make test`, which starts PostgreSQL and Redis")
}

/// An account that no other test uses.
fn account() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("cloudmsg:svc-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Takes turns at two limiters alternately; how long that took.
async fn take(turns: u32, account: &str, limiters: [&dyn Rate; 2]) -> Duration {
    let begun = Instant::now();
    for turn in 0..turns {
        limiters[turn as usize % 2].turn(account).await;
    }
    begun.elapsed()
}

/// What a bucket that holds one second's worth makes this many turns take at least, less a little for clocks.
fn at_least(turns: u32) -> Duration {
    Duration::from_secs(1) * (turns - PER_SECOND.get()) / PER_SECOND.get() - Duration::from_millis(50)
}

#[tokio::test]
async fn one_process_keeps_its_rate() {
    let rate = LocalRate::new(PER_SECOND);
    assert!(take(30, &account(), [&rate, &rate]).await >= at_least(30));
}

#[tokio::test]
async fn two_dispatchers_share_one_rate_through_redis() {
    let [one, other] = [(); 2].map(|()| SharedRate::new(&redis_url(), PER_SECOND).unwrap());
    assert!(take(30, &account(), [&one, &other]).await >= at_least(30));
}

#[tokio::test]
async fn accounts_do_not_wait_for_each_other() {
    let rate = SharedRate::new(&redis_url(), NonZeroU32::MIN).unwrap();
    let (busy, idle) = (account(), account());
    rate.turn(&busy).await;
    assert!(
        timeout(Duration::from_millis(100), rate.turn(&busy)).await.is_err(),
        "the second turn comes after a second"
    );
    assert!(timeout(Duration::from_secs(10), rate.turn(&idle)).await.is_ok());
}

#[tokio::test]
async fn without_redis_each_dispatcher_keeps_its_own_rate() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rate = SharedRate::new(&format!("redis://{nobody}"), PER_SECOND).unwrap();
    let account = account();
    let taken = timeout(Duration::from_secs(30), take(30, &account, [&rate, &rate])).await;
    assert!(taken.expect("sends go on without Redis") >= at_least(30));
}
