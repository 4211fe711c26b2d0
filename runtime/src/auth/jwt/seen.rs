//! Tokens that have been verified: a signature is checked once, not with every call.

use chrono::{DateTime, Utc};
use papaya::HashMap;

use crate::auth::Principal;

/// Tokens that are kept at most.
const MOST: usize = 10_000;

/// A token's holder, for as long as it is good under the keys that it was verified with.
#[derive(Clone)]
struct Verified {
    principal: Principal,
    until: DateTime<Utc>,
    keys: [u8; 32],
}

/// Verified tokens by their SHA-256.
#[derive(Default)]
pub(super) struct Seen {
    tokens: HashMap<[u8; 32], Verified>,
}

/// What is known of a token.
pub(super) enum Known {
    /// It is good.
    Good(Principal),
    /// It was good.
    Expired,
    /// It has to be verified, perhaps again.
    No,
}

impl Seen {
    pub(super) fn look(&self, digest: &[u8; 32], keys: &[u8; 32], now: DateTime<Utc>) -> Known {
        match self.tokens.pin().get(digest) {
            Some(seen) if seen.keys != *keys => Known::No,
            Some(seen) if seen.until <= now => Known::Expired,
            Some(seen) => Known::Good(seen.principal.clone()),
            None => Known::No,
        }
    }

    pub(super) fn keep(
        &self,
        digest: [u8; 32],
        keys: [u8; 32],
        principal: Principal,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) {
        let tokens = self.tokens.pin();
        if tokens.len() >= MOST {
            tokens.retain(|_, seen| seen.until > now && seen.keys == keys);
            if tokens.len() >= MOST {
                // Rare, and no worse than verifying everyone once more.
                tokens.clear();
            }
        }
        tokens.insert(digest, Verified { principal, until, keys });
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn digest(number: usize) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn it_does_not_grow_without_end_and_lets_the_expired_go_first() {
        let (seen, now) = (Seen::default(), DateTime::UNIX_EPOCH);
        let holder = Principal::new("jwt:a", [], None);
        let keep = |number: usize, seconds: i64, now| {
            seen.keep(digest(number), [1; 32], holder.clone(), now + TimeDelta::seconds(seconds), now);
        };
        keep(0, 1_000, now);
        for number in 1..MOST {
            keep(number, 1, now);
        }
        let later = now + TimeDelta::seconds(10);
        keep(MOST, 1_000, later);
        assert_eq!(seen.tokens.pin().len(), 2);
        for number in 0..3 * MOST {
            keep(number, 1_000, later);
            assert!(seen.tokens.pin().len() <= MOST);
        }
    }

    #[test]
    fn other_keys_have_it_verified_again() {
        let (seen, now) = (Seen::default(), DateTime::UNIX_EPOCH);
        seen.keep(digest(1), [1; 32], Principal::new("jwt:a", [], None), now + TimeDelta::seconds(9), now);
        assert!(matches!(seen.look(&digest(1), &[1; 32], now), Known::Good(_)));
        assert!(matches!(seen.look(&digest(1), &[2; 32], now), Known::No));
        assert!(matches!(seen.look(&digest(2), &[1; 32], now), Known::No));
        assert!(matches!(seen.look(&digest(1), &[1; 32], now + TimeDelta::seconds(9)), Known::Expired));
    }
}
