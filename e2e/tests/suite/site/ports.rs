//! Ports that no other process takes while the test lasts.

use std::{
    collections::HashSet,
    net::TcpListener,
    sync::{Mutex, PoisonError},
};

/// Given out in this process.
static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// Gives out ports. They stay given out for as long as this process lives: a server that is killed and started again must
/// find its port free.
#[derive(Default)]
pub(super) struct Ports(());

impl Ports {
    #[expect(clippy::unused_self, reason = "who takes ports says for which installation")]
    pub(super) fn take(&mut self) -> u16 {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = taken.get_or_insert_default();
        loop {
            // Below the range from which the system gives out ports by itself.
            let port = next_candidate();
            if taken.insert(port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
    }
}

/// From a place that differs by process, through the range below the system's own.
fn next_candidate() -> u16 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 18_000;
    let step = NEXT.fetch_add(1, Ordering::Relaxed);
    let begin = std::process::id().wrapping_mul(7_919);
    u16::try_from(FIRST + begin.wrapping_add(step) % COUNT).unwrap()
}
