//! Ids that look like a vendor's: opaque, mixed case, sometimes with a leading zero.
//!
//! A client that lower-cases them or reads them as numbers loses its messages, as it would with the real thing.

use std::sync::atomic::{AtomicU64, Ordering};

use ring::rand::{SecureRandom, SystemRandom};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Makes ids that are unique within a run and unlikely to repeat between runs.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    next: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        let mut bytes = [0u8; 8];
        // Without randomness ids repeat between runs, which a simulator survives.
        let seed = SystemRandom::new().fill(&mut bytes).map_or(0, |()| u64::from_le_bytes(bytes));
        Self { seed, next: AtomicU64::new(0) }
    }

    /// `prefix`, a zero and eleven characters of `[0-9A-Za-z]`.
    pub(crate) fn next(&self, prefix: &str) -> String {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        // The mixer is a bijection, so different counts never meet.
        let mut rest = mix(self.seed.wrapping_add(count));
        let mut id = String::with_capacity(prefix.len() + 12);
        id.push_str(prefix);
        id.push('0');
        for _ in 0..11 {
            let index = usize::try_from(rest % 62).unwrap_or_default();
            id.push(char::from(ALPHABET[index]));
            rest /= 62;
        }
        id
    }
}

/// SplitMix64's finaliser; also what probability rules draw from, so that a seed replays a run.
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_do_not_repeat_and_keep_their_shape() {
        let ids = Ids::new();
        let made: HashSet<String> = (0..10_000).map(|_| ids.next("m-")).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| id.len() == 14 && id.starts_with("m-0")));
    }
}
