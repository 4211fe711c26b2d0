//! What all tests share.

use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at something that changes by itself.
const LOOK: Duration = Duration::from_millis(5);

/// Asks again and again until there is an answer; fails with `what` when none comes in time.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
