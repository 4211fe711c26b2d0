//! When a claimed message is due again.

use std::time::Duration;

/// Claims after which the wait no longer doubles.
const MOST_DOUBLINGS: u32 = 6;

/// The wait after the `claims`-th claim, at least 1: doubles from `first` up to 64 times that, give or take a fifth.
/// `seed` is the message's id: two messages that fell due together spread out, and every engine agrees.
pub(super) fn wait(first: Duration, claims: u32, seed: &str) -> Duration {
    let doubled = first * 2_u32.pow(claims.saturating_sub(1).min(MOST_DOUBLINGS));
    let spread = seed.bytes().fold(claims, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 41;
    doubled * (80 + spread) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_within_its_bounds() {
        let first = Duration::from_secs(30);
        for (claims, base) in [(1, 30), (2, 60), (4, 240), (7, 1920), (100, 1920)] {
            for seed in ["a", "0192f", "zz"] {
                let wait = wait(first, claims, seed).as_secs_f64();
                assert!((f64::from(base) * 0.8..=f64::from(base) * 1.2).contains(&wait), "{claims}: {wait}");
            }
        }
    }
}
